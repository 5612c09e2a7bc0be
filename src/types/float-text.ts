/**
 * Floats as PostgreSQL writes them: with extra_float_digits above 0 the shortest text that reads back as the same value,
 * else a fixed number of digits, as C's %g does.
 */

/** A float8. */
export function doubleText(value: number, extraDigits = 1): string {
  return special(value) ?? (extraDigits > 0 ? shortest(value, 15) : rounded(value, 15 + extraDigits));
}

/** A float4, as the double that equals it. */
export function singleText(value: number, extraDigits = 1): string {
  const known = special(value);
  if (known !== undefined) return known;
  return extraDigits > 0 ? shortest(shortestSingle(value), 6, false) : rounded(value, 6 + extraDigits);
}

function special(value: number): string | undefined {
  if (Number.isNaN(value)) return "NaN";
  if (!Number.isFinite(value)) return value > 0 ? "Infinity" : "-Infinity";
  if (value === 0) return Object.is(value, -0) ? "-0" : "0";
  return undefined;
}

function shortest(value: number, digits: number, isDouble = true): string {
  const size = Math.abs(value);
  // JavaScript's own notation is the same between these.
  if (size >= 1e-4 && size < 10 ** digits) return String(value);
  const text = value.toExponential();
  return notation(isDouble && size >= 2 ** 53 && size < 1e41 ? withoutTie(value, text) : text, digits);
}

/**
 * Where the shortest text lies midway between two doubles, JavaScript takes it, as it reads back as the even one;
 * PostgreSQL takes one digit more.
 */
function withoutTie(value: number, text: string): string {
  const tie = BigInt(plain(...parts(text)));
  const beyond = tie * 2n - BigInt(value);
  if (tie === BigInt(value) || BigInt(Number(beyond)) !== beyond) return text;
  for (let digits = text.replace(/e.*|[-.]/g, "").length; ; digits++) {
    const longer = value.toExponential(digits);
    if (!/0e/.test(longer)) return longer;
  }
}

function parts(text: string): [mantissa: string, power: number] {
  const [mantissa = "0", exponent = "0"] = text.split("e");
  return [mantissa, Number(exponent)];
}

/** As printf's %.*g of at least one digit. */
function rounded(value: number, digits: number): string {
  const places = Math.max(digits, 1);
  const text = halfToEven(value, places).replace(/\.?0+e/, "e");
  return notation(text, places);
}

/** toExponential rounds a value midway between two to the larger one, C to the even one. */
function halfToEven(value: number, digits: number): string {
  const text = value.toExponential(digits - 1);
  const [exact = "", exponent] = value.toExponential(Math.min(digits + 40, 100)).split("e");
  const tail = exact.replace("-", "").replace(".", "").slice(digits);
  if (!/^50*$/.test(tail)) return text;
  const kept = digits === 1 ? exact.slice(0, exact.indexOf(".")) : exact.slice(0, -tail.length);
  return /[02468]$/.test(kept) ? `${kept}e${exponent}` : text;
}

/** Exponents, of at least two digits, below 1e-4 and from 1e15 (float4: 1e6) on. */
function notation(text: string, digits: number): string {
  const [mantissa, power] = parts(text);
  if (power >= -4 && power < digits) return plain(mantissa, power);
  return `${mantissa}e${power < 0 ? "-" : "+"}${String(Math.abs(power)).padStart(2, "0")}`;
}

function plain(mantissa: string, power: number): string {
  const sign = mantissa.startsWith("-") ? "-" : "";
  const digits = mantissa.replace("-", "").replace(".", "");
  if (power < 0) return `${sign}0.${"0".repeat(-power - 1)}${digits}`;
  const whole = digits.slice(0, power + 1).padEnd(power + 1, "0");
  const fraction = digits.slice(power + 1);
  return fraction === "" ? sign + whole : `${sign}${whole}.${fraction}`;
}

/**
 * The number of the fewest digits that is the same in single precision; of two as close, the even one. As in PostgreSQL,
 * one that lies midway between two is not taken, though it is read as the even one of them.
 */
function shortestSingle(value: number): number {
  // A whole number of few digits is its own shortest, as are halves and their like; most values are.
  const simple = Number(value.toPrecision(6));
  if (simple === value) return value;
  const [lower, upper] = neighbours(value).map((next) => (value + next) / 2);
  const same = (number: number): boolean =>
    Math.fround(number) === value && number !== lower && number !== upper;
  // No two texts of six digits are the same number, but where bits are missing at the lower end.
  if (Math.abs(value) > 2 ** -126 && same(simple)) return simple;
  const first = Math.abs(value) > 2 ** -126 ? 7 : 1;
  for (let digits = first; digits < 9; digits++) {
    const rounded = Number(value.toPrecision(digits));
    if (!same(rounded)) continue;
    const [mantissa = "", exponent] = value.toExponential(digits).split("e");
    const isTie = mantissa.endsWith("5") && Number(`${mantissa}e${exponent}`) === value;
    const below = Number(`${mantissa.slice(0, -1)}e${exponent}`);
    return isTie && /[02468]\.?.$/.test(mantissa) && same(below) ? below : rounded;
  }
  return Number(value.toPrecision(9));
}

const single = new DataView(new ArrayBuffer(4));

/** The next numbers of single precision on both sides. */
export function neighbours(value: number): number[] {
  single.setFloat32(0, value);
  const bits = single.getUint32(0);
  return [bits - 1, bits + 1].map((next) => {
    single.setUint32(0, next);
    return single.getFloat32(0);
  });
}
