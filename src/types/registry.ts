/**
 * All types of one database: the built-in ones, and those it has registered, whose OIDs differ from database to database
 * (enums, domains, composite types, extensions).
 */
import { BuiltInTypes } from "./built-in-types.ts";
import type { Codec } from "./codec.ts";
import { hstoreCodec } from "./hstore.ts";
import { typeRow } from "./pg-type.ts";
import { multirangeCodec, rangeCodec } from "./range.ts";
import { rangeOrder } from "./range-order.ts";
import { type RecordField, recordCodec } from "./record.ts";
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
export class TypeRegistry extends BuiltInTypes {
  readonly #kinds = new Map<number, TypeKind>();

  /** Tells what the type is, whatever it was before. Types that it is made of may be registered later. */
  register(typeOid: number, kind: TypeKind): this {
    this.#kinds.set(typeOid, kind);
    // Others may be made of it.
    this.forget();
    return this;
  }

  /** Whether it was told what the type is, or the type is built in. */
  isKnown(typeOid: number): boolean {
    return this.#kinds.has(typeOid) || typeRow(typeOid) !== undefined;
  }

  protected override create(typeOid: number): Codec | undefined {
    const kind = this.#kinds.get(typeOid);
    return kind ? this.#registered(kind) : super.create(typeOid);
  }

  #registered(kind: TypeKind): Codec | undefined {
    switch (kind.type) {
      case "enum":
        return enumCodec(kind.name ?? "", kind.labels);
      case "domain":
        return this.find(kind.base);
      case "composite":
        return this.#record(kind.fields);
      case "array":
        return this.array(kind.element, kind.delimiter ?? ",");
      case "range":
      case "multirange":
        return this.#range(kind.type, kind.subtype);
      case "extension":
        return extensions[kind.name];
      case "codec":
        return kind.codec;
    }
  }

  #record(fields: readonly number[]): Codec | undefined {
    const known: RecordField[] = [];
    for (const field of fields) {
      const codec = this.find(field);
      if (!codec) return undefined;
      known.push({ oid: field, codec });
    }
    return recordCodec(known);
  }

  #range(type: "range" | "multirange", subtype: number): Codec | undefined {
    const codec = this.find(subtype);
    const bounds = codec && { codec, order: rangeOrder(subtype, false) };
    return bounds && (type === "range" ? rangeCodec(bounds) : multirangeCodec(bounds));
  }
}
