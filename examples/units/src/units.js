// The arithmetic itself, no MCP in it.

/** Units by kind, each with how many of the kind's base unit (the one of factor 1) it is worth. */
const FACTORS = {
  length: { m: 1, km: 1000, cm: 0.01, mm: 0.001, in: 0.0254, ft: 0.3048, yd: 0.9144, mi: 1609.344 },
  mass: { kg: 1, g: 0.001, t: 1000, oz: 0.028349523125, lb: 0.45359237 },
  time: { s: 1, min: 60, h: 3600, d: 86400 },
};

/** Temperatures have no common zero, so each has its way to kelvin and back. */
const TEMPERATURES = {
  K: { toKelvin: (t) => t, fromKelvin: (k) => k },
  C: { toKelvin: (t) => t + 273.15, fromKelvin: (k) => k - 273.15 },
  F: { toKelvin: (t) => ((t + 459.67) * 5) / 9, fromKelvin: (k) => (k * 9) / 5 - 459.67 },
};

export const UNITS = {
  ...Object.fromEntries(Object.entries(FACTORS).map(([kind, units]) => [kind, Object.keys(units)])),
  temperature: Object.keys(TEMPERATURES),
};

/** Every unit's name, for the tool's schema. */
export const UNIT_NAMES = Object.values(UNITS).flat();

export function convert(value, from, to) {
  if (from in TEMPERATURES && to in TEMPERATURES) {
    return round(TEMPERATURES[to].fromKelvin(TEMPERATURES[from].toKelvin(value)), 6);
  }
  const units = Object.values(FACTORS).find((units) => from in units && to in units);
  if (!units) throw new Error(`Cannot convert ${from} to ${to}: they measure different things.`);
  return round((value * units[from]) / units[to], 6);
}

export function statistics(numbers) {
  const sorted = numbers.toSorted((a, b) => a - b);
  const sum = numbers.reduce((a, b) => a + b, 0);
  const middle = sorted.length >> 1;
  const median = sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
  return { count: sorted.length, sum, mean: sum / sorted.length, median, min: sorted[0], max: sorted.at(-1) };
}

const ROMAN = Object.entries({
  M: 1000, CM: 900, D: 500, CD: 400, C: 100, XC: 90, L: 50, XL: 40, X: 10, IX: 9, V: 5, IV: 4, I: 1,
});

export function roman(number) {
  let rest = number;
  let text = "";
  for (const [letters, worth] of ROMAN) {
    text += letters.repeat(Math.floor(rest / worth));
    rest %= worth;
  }
  return text;
}

export function compound(principal, percent, years) {
  return round(principal * (1 + percent / 100) ** years, 2);
}

function round(value, digits) {
  return Number(value.toFixed(digits));
}
