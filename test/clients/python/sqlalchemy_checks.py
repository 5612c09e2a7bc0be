"""SQLAlchemy over psycopg and over asyncpg: its core, its ORM, and all that its reflection reads of the catalog."""

import asyncio
import datetime
import decimal
import enum
import uuid

import sqlalchemy as sa
from sqlalchemy import orm
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine

from harness import URL, check, equal, main, true

ADDRESS = URL.split("://", 1)[1]
engine = sa.create_engine(f"postgresql+psycopg://{ADDRESS}", pool_size=3)
async_url = f"postgresql+asyncpg://{ADDRESS}"


class Base(orm.DeclarativeBase):
    pass


class Mood(enum.Enum):
    sad = 1
    happy = 2


class Author(Base):
    __tablename__ = "ew_sqlalchemy_author"
    id: orm.Mapped[int] = orm.mapped_column(primary_key=True)
    name: orm.Mapped[str] = orm.mapped_column(sa.String(40), unique=True, comment="as printed")
    mood: orm.Mapped[Mood] = orm.mapped_column(sa.Enum(Mood, name="ew_sqlalchemy_mood"), default=Mood.happy)
    amount: orm.Mapped[decimal.Decimal] = orm.mapped_column(sa.Numeric(8, 2), default=decimal.Decimal("1.50"))
    born: orm.Mapped[datetime.datetime | None] = orm.mapped_column(sa.DateTime(timezone=True))
    tags: orm.Mapped[list[str] | None] = orm.mapped_column(postgresql.ARRAY(sa.Text))
    extra: orm.Mapped[dict | None] = orm.mapped_column(postgresql.JSONB)
    key: orm.Mapped[uuid.UUID | None]
    books: orm.Mapped[list["Book"]] = orm.relationship(back_populates="author", cascade="all, delete-orphan")


class Book(Base):
    __tablename__ = "ew_sqlalchemy_book"
    __table_args__ = (
        sa.CheckConstraint("pages > 0", name="ew_sqlalchemy_some"),
        sa.Index("ew_sqlalchemy_by_title", sa.text("lower(title)"), unique=False, postgresql_where=sa.text("pages > 1")),
        {"comment": "what is read"},
    )
    id: orm.Mapped[int] = orm.mapped_column(sa.BigInteger, sa.Identity(start=10), primary_key=True)
    title: orm.Mapped[str] = orm.mapped_column(sa.Text)
    pages: orm.Mapped[int] = orm.mapped_column(server_default="1")
    half: orm.Mapped[int | None] = orm.mapped_column(sa.Computed("pages / 2", persisted=True))
    author_id: orm.Mapped[int] = orm.mapped_column(sa.ForeignKey(Author.id, ondelete="CASCADE", deferrable=True))
    author: orm.Mapped[Author] = orm.relationship(back_populates="books")


KEY = uuid.UUID("0190b6f2-7e1c-7c3c-8f3a-2f6f2a3b4c5d")
BORN = datetime.datetime(1985, 12, 10, tzinfo=datetime.timezone.utc)


def ada():
    return Author(
        name="Ada", born=BORN, tags=["a", 'b"c', None], extra={"k": [1, None]}, key=KEY,
        books=[Book(title="Notes", pages=4), Book(title="Letters", pages=9)],
    )


def make_tables():
    Base.metadata.drop_all(engine)
    Base.metadata.create_all(engine)


@check("create_all, and objects with their relations come back as they were")
def _():
    make_tables()
    with orm.Session(engine) as session:
        session.add(ada())
        session.commit()
        session.expunge_all()
        found = session.scalars(sa.select(Author).options(orm.selectinload(Author.books))).one()
        equal((found.name, found.mood, found.amount, found.born, found.tags, found.extra, found.key),
              ("Ada", Mood.happy, decimal.Decimal("1.50"), BORN, ["a", 'b"c', None], {"k": [1, None]}, KEY))
        equal([(book.title, book.half) for book in sorted(found.books, key=lambda book: book.title)],
              [("Letters", 4), ("Notes", 2)], "books")
        session.delete(found)
        session.commit()
        equal(session.scalar(sa.select(sa.func.count()).select_from(Book)), 0, "books left")


@check("queries: joins, windows, CTEs, RETURNING, ON CONFLICT, many rows at once")
def _():
    make_tables()
    with orm.Session(engine) as session:
        session.add(ada())
        session.commit()
        ranked = sa.select(
            Author.name, Book.title, sa.func.row_number().over(partition_by=Author.id, order_by=Book.title).label("n")
        ).join(Book.author).cte("ranked")
        equal([tuple(row) for row in session.execute(sa.select(ranked).order_by(ranked.c.n))],
              [("Ada", "Letters", 1), ("Ada", "Notes", 2)])
        upsert = postgresql.insert(Author).values(name="Ada", mood=Mood.sad, amount=2)
        upsert = upsert.on_conflict_do_update(index_elements=[Author.name], set_={"mood": upsert.excluded.mood})
        equal(session.execute(upsert.returning(Author.mood)).scalar_one(), Mood.sad)
        made = session.scalars(
            sa.insert(Book).returning(Book.id, sort_by_parameter_order=True),
            [{"title": f"book {n}", "author_id": 1} for n in range(500)],
        ).all()
        equal(made, list(range(12, 512)), "identities")
        equal(session.scalar(sa.select(sa.func.count(Book.id)).where(Book.title.in_([f"book {n}" for n in range(300)]))), 300)
        session.commit()


@check("transactions: rollback, savepoints, isolation levels, and streamed rows")
def _():
    make_tables()
    with orm.Session(engine) as session:
        session.add(ada())
        session.flush()
        try:
            with session.begin_nested():
                session.execute(sa.insert(Book).values(title="none", pages=0, author_id=1))
        except sa.exc.IntegrityError as error:
            equal((error.orig.sqlstate, error.orig.diag.constraint_name), ("23514", "ew_sqlalchemy_some"), "error")
        session.commit()
        session.execute(sa.delete(Author))
        session.rollback()
        equal(session.scalar(sa.select(sa.func.count(Book.id))), 2, "books")
    with engine.connect().execution_options(isolation_level="SERIALIZABLE") as connection:
        equal(connection.scalar(sa.text("show transaction_isolation")), "serializable")
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        equal(connection.scalar(sa.text("show transaction_isolation")), "read committed")
        equal(connection.connection.dbapi_connection.info.transaction_status.name, "IDLE", "status")
    with engine.connect().execution_options(stream_results=True, yield_per=100) as connection:
        rows = connection.execute(sa.text("select i from generate_series(1, 1000) i"))
        equal(sum(len(part) for part in rows.partitions()), 1000, "rows")


def reflected(connection):
    """What reflection finds, by its own names; the same over every driver."""
    inspector = sa.inspect(connection)
    true({"ew_sqlalchemy_author", "ew_sqlalchemy_book"} <= set(inspector.get_table_names()), "tables are missing")
    true("public" in inspector.get_schema_names(), "no schema public")
    equal(inspector.get_view_names(), ["ew_sqlalchemy_view"], "views")
    true("generate_series" not in inspector.get_view_definition("ew_sqlalchemy_view"), "another view")
    columns = [
        (each["name"], str(each["type"]), each["nullable"], each.get("comment"), "identity" in each, "computed" in each)
        for table in ("ew_sqlalchemy_author", "ew_sqlalchemy_book")
        for each in inspector.get_columns(table)
    ]
    equal(columns, [
        ("id", "INTEGER", False, None, False, False),
        ("name", "VARCHAR(40)", False, "as printed", False, False),
        ("mood", "VARCHAR(5)", False, None, False, False),
        ("amount", "NUMERIC(8, 2)", False, None, False, False),
        ("born", "TIMESTAMP", True, None, False, False),
        ("tags", "ARRAY", True, None, False, False),
        ("extra", "JSONB", True, None, False, False),
        ("key", "UUID", True, None, False, False),
        ("id", "BIGINT", False, None, True, False),
        ("title", "TEXT", False, None, False, False),
        ("pages", "INTEGER", False, None, False, False),
        ("half", "INTEGER", True, None, False, True),
        ("author_id", "INTEGER", False, None, False, False),
    ], "columns")
    equal([(each["name"], each["labels"]) for each in inspector.get_enums()], [("ew_sqlalchemy_mood", ["sad", "happy"])], "enums")
    equal(inspector.get_pk_constraint("ew_sqlalchemy_book")["constrained_columns"], ["id"], "primary key")
    keys = inspector.get_foreign_keys("ew_sqlalchemy_book")
    equal([(key["constrained_columns"], key["referred_table"], key["options"]) for key in keys],
          [(["author_id"], "ew_sqlalchemy_author", {"ondelete": "CASCADE", "deferrable": True})], "foreign keys")
    uniques = inspector.get_unique_constraints("ew_sqlalchemy_author")
    equal([each["column_names"] for each in uniques], [["name"]], "unique constraints")
    [index] = inspector.get_indexes("ew_sqlalchemy_book")
    equal((index["name"], index["expressions"], index["unique"]), ("ew_sqlalchemy_by_title", ["lower(title)"], False), "index")
    true("pages > 1" in index["dialect_options"]["postgresql_where"], "no condition of the index")
    equal([each["name"] for each in inspector.get_check_constraints("ew_sqlalchemy_book")], ["ew_sqlalchemy_some"], "checks")
    equal(inspector.get_table_comment("ew_sqlalchemy_book")["text"], "what is read", "comment")
    true("ew_sqlalchemy_author_id_seq" in inspector.get_sequence_names(), "no sequence")


def make_reflected():
    with engine.begin() as connection:
        connection.execute(sa.text("drop view if exists ew_sqlalchemy_view"))
    make_tables()
    with engine.begin() as connection:
        connection.execute(sa.text("create view ew_sqlalchemy_view as select name from ew_sqlalchemy_author"))


def drop_reflected():
    with engine.begin() as connection:
        connection.execute(sa.text("drop view ew_sqlalchemy_view"))


@check("reflection: tables, columns, keys, indexes, checks, comments, enums, views, sequences")
def _():
    make_reflected()
    with engine.connect() as connection:
        reflected(connection)
    drop_reflected()


@check("a schema that was reflected can be made again, and is the same")
def _():
    make_tables()
    found = sa.MetaData()
    found.reflect(engine, only=lambda name, _: name.startswith("ew_sqlalchemy"))
    equal(sorted(found.tables), ["ew_sqlalchemy_author", "ew_sqlalchemy_book"])
    found.drop_all(engine)
    found.create_all(engine)
    again = sa.MetaData()
    again.reflect(engine, only=lambda name, _: name.startswith("ew_sqlalchemy"))
    described = lambda metadata: [
        str(sa.schema.CreateTable(table).compile(engine)) for table in metadata.sorted_tables
    ]
    equal(described(again), described(found), "tables")
    book = found.tables["ew_sqlalchemy_book"]
    equal([key.column.table.name for key in book.foreign_keys], ["ew_sqlalchemy_author"])


@check("asyncpg: the ORM, an error and its transaction, streamed rows, and reflection")
def _():
    make_reflected()

    async def run():
        asynchronous = create_async_engine(async_url, pool_size=2)
        async with AsyncSession(asynchronous) as session:
            session.add(ada())
            await session.commit()
            found = (await session.scalars(sa.select(Author).options(orm.joinedload(Author.books)))).unique().one()
            equal((found.tags, found.extra, found.mood, len(found.books)), (["a", 'b"c', None], {"k": [1, None]}, Mood.happy, 2))
            session.add(Author(name="Ada"))
            try:
                await session.flush()
                raise AssertionError("no error")
            except sa.exc.IntegrityError as error:
                equal(error.orig.sqlstate, "23505", "SQLSTATE")
            await session.rollback()
        async with asynchronous.connect() as connection:
            rows = await connection.stream(sa.text("select i from generate_series(1, 1000) i"))
            equal(sum([row[0] async for row in rows]), 500500, "sum")
            await connection.run_sync(reflected)
        await asynchronous.dispose()

    asyncio.run(run())
    drop_reflected()
    Base.metadata.drop_all(engine)
    engine.dispose()


main()
