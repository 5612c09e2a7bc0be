/**
 * All types of one database: the built-in ones, and those it has registered, whose OIDs differ from database to database
 * (enums, domains, composite types, extensions).
 */
import { arrayCodec } from "./array.ts";
import { builtInCodecs, textHint } from "./built-in.ts";
import { type Codec, unsupported } from "./codec.ts";
import { hstoreCodec } from "./hstore.ts";
import { oid } from "./oid.ts";
import { typeRow } from "./pg-type.ts";
import { multirangeCodec, rangeCodec } from "./range.ts";
import { rangeOrder } from "./range-order.ts";
import { recordCodec } from "./record.ts";
import { defaultSettings, type TypeSettings } from "./settings.ts";
import { enumCodec, textCodec, versioned } from "./text.ts";
import { halfvecCodec, sparsevecCodec, vectorCodec } from "./vector.ts";

/** What a type that is not built in is: what pg_type, pg_attribute and pg_range say of it. */
export type TypeKind =
  /** `labels`: checked where given. */
  | { readonly type: "enum"; readonly name?: string; readonly labels?: readonly string[] }
  /** `base`: typbasetype. */
  | { readonly type: "domain"; readonly base: number }
  /** `fields`: the types of its columns, without dropped ones, in their order. */
  | { readonly type: "composite"; readonly fields: readonly number[] }
  /** `element`: typelem; `delimiter`: its typdelim, a comma if not given. */
  | { readonly type: "array"; readonly element: number; readonly delimiter?: string }
  /** `subtype`: rngsubtype, of a multirange that of its range. */
  | { readonly type: "range" | "multirange"; readonly subtype: number }
  /** A type of an extension that is known here. */
  | { readonly type: "extension"; readonly name: ExtensionType }
  | { readonly type: "codec"; readonly codec: Codec };

export type ExtensionType =
  | "citext"
  | "hstore"
  | "ltree"
  | "lquery"
  | "ltxtquery"
  | "vector"
  | "halfvec"
  | "sparsevec";

const extensions: Readonly<Record<ExtensionType, Codec>> = {
  citext: textCodec,
  hstore: hstoreCodec,
  ltree: versioned("ltree"),
  lquery: versioned("lquery"),
  ltxtquery: versioned("ltxtquery"),
  vector: vectorCodec,
  halfvec: halfvecCodec,
  sparsevec: sparsevecCodec,
};

/**
 * ```ts
 * const types = new TypeRegistry().register(16390, { type: "extension", name: "vector" });
 * types.register(16395, { type: "array", element: 16390 });
 * const toBinary = types.encoder(16390); // once for a column
 * toBinary("[1,2,3]");
 * ```
 */
export class TypeRegistry {
  readonly #kinds = new Map<number, TypeKind>();
  readonly #codecs = new Map<number, Codec | undefined>();
  readonly #builtIn: ReadonlyMap<string, Codec>;

  constructor() {
    this.#builtIn = builtInCodecs((typeOid) => this.codec(typeOid));
  }

  /** Tells what the type is, whatever it was before. Types that it is made of may be registered later. */
  register(typeOid: number, kind: TypeKind): this {
    this.#kinds.set(typeOid, kind);
    // Others may be made of it.
    this.#codecs.clear();
    return this;
  }

  /** The conversions of a type; undefined where there are none. */
  find(typeOid: number): Codec | undefined {
    const known = this.#codecs.get(typeOid);
    if (known || this.#codecs.has(typeOid)) return known;
    // A type that is made of itself has none.
    this.#codecs.set(typeOid, undefined);
    const codec = this.#create(typeOid);
    this.#codecs.set(typeOid, codec);
    return codec;
  }

  /** The conversions of a type. @throws PgError 0A000 where there are none */
  codec(typeOid: number): Codec {
    const codec = this.find(typeOid);
    if (codec) return codec;
    const name = typeRow(typeOid)?.name;
    throw unsupported(`no binary output for type ${name ?? `with OID ${typeOid}`}`, textHint);
  }

  /** A type's conversion from text to binary, to be looked up once for a column. @throws PgError 0A000 */
  encoder(typeOid: number, settings: TypeSettings = defaultSettings): (text: string) => Uint8Array {
    const codec = this.codec(typeOid);
    return (text) => codec.encode(text, settings);
  }

  /** A type's conversion from binary to text. @throws PgError 0A000 */
  decoder(typeOid: number, settings: TypeSettings = defaultSettings): (bytes: Uint8Array) => string {
    const codec = this.codec(typeOid);
    return (bytes) => codec.decode(bytes, settings);
  }

  #create(typeOid: number): Codec | undefined {
    const kind = this.#kinds.get(typeOid);
    if (kind) return this.#registered(kind);
    const row = typeRow(typeOid);
    if (!row) return undefined;
    if (row.element === 0) return this.#builtIn.get(row.name);
    return this.#array(row.element, row.element === oid.box ? ";" : ",");
  }

  #registered(kind: TypeKind): Codec | undefined {
    switch (kind.type) {
      case "enum":
        return enumCodec(kind.name ?? "", kind.labels);
      case "domain":
        return this.find(kind.base);
      case "composite":
        return recordCodec(kind.fields.map((field) => ({ oid: field, codec: this.codec(field) })));
      case "array":
        return this.#array(kind.element, kind.delimiter ?? ",");
      case "range":
        return rangeCodec(this.#bounds(kind.subtype));
      case "multirange":
        return multirangeCodec(this.#bounds(kind.subtype));
      case "extension":
        return extensions[kind.name];
      case "codec":
        return kind.codec;
    }
  }

  #array(element: number, delimiter: string): Codec | undefined {
    const codec = this.find(element);
    return codec && arrayCodec({ oid: element, codec, delimiter });
  }

  #bounds(subtype: number): { codec: Codec; order: ReturnType<typeof rangeOrder> } {
    return { codec: this.codec(subtype), order: rangeOrder(subtype, false) };
  }
}
