/** The types whose OIDs are the same in every database, and how their codecs are found. */
import { arrayCodec } from "./array.ts";
import { builtInCodecs, textHint } from "./built-in.ts";
import { type Codec, unsupported } from "./codec.ts";
import { oid } from "./oid.ts";
import { typeRow } from "./pg-type.ts";
import { defaultSettings, type TypeSettings } from "./settings.ts";

export class BuiltInTypes {
  readonly #codecs = new Map<number, Codec | undefined>();
  #builtIn: ReadonlyMap<string, Codec> | undefined;

  /** The conversions of a type; undefined where there are none. */
  find(typeOid: number): Codec | undefined {
    const known = this.#codecs.get(typeOid);
    if (known || this.#codecs.has(typeOid)) return known;
    // A type that is made of itself has none.
    this.#codecs.set(typeOid, undefined);
    const codec = this.create(typeOid);
    this.#codecs.set(typeOid, codec);
    return codec;
  }

  /** A type's conversion from text to binary, to be looked up once for a column. @throws PgError 0A000 */
  encoder(typeOid: number, settings: TypeSettings = defaultSettings): (text: string) => Uint8Array {
    const codec = this.#need(typeOid, "output");
    return (text) => codec.encode(text, settings);
  }

  /** A type's conversion from binary to text. @throws PgError 0A000 */
  decoder(typeOid: number, settings: TypeSettings = defaultSettings): (bytes: Uint8Array) => string {
    const codec = this.#need(typeOid, "input");
    return (bytes) => codec.decode(bytes, settings);
  }

  /** Drops what was found so far. */
  protected forget(): void {
    this.#codecs.clear();
  }

  protected create(typeOid: number): Codec | undefined {
    const row = typeRow(typeOid);
    if (!row) return undefined;
    if (row.element !== 0) return this.array(row.element, row.element === oid.box ? ";" : ",");
    this.#builtIn ??= builtInCodecs((inner) => this.#need(inner, "input"));
    return this.#builtIn.get(row.name);
  }

  protected array(element: number, delimiter: string): Codec | undefined {
    const codec = this.find(element);
    return codec && arrayCodec({ oid: element, codec, delimiter });
  }

  #need(typeOid: number, direction: "input" | "output"): Codec {
    const codec = this.find(typeOid);
    if (codec) return codec;
    const name = typeRow(typeOid)?.name;
    throw unsupported(`no binary ${direction} for type ${name ?? `with OID ${typeOid}`}`, textHint);
  }
}
