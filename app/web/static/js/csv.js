// Rows as a CSV file that no spreadsheet takes for formulas.

const FORMULA = /^[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20]/; // the last four are their wide forms

/** A cell: a text that a spreadsheet would calculate gets an apostrophe before it; quoted where it must be. */
export function cell(value) {
  if (value === undefined || value === null) return "";
  const text = typeof value === "object" ? JSON.stringify(value) : String(value);
  const safe = typeof value !== "number" && FORMULA.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

/** A CSV text (RFC 4180) of `columns` [[header, value(row)]]. */
export function csv(columns, rows) {
  const lines = [columns.map(([header]) => cell(header)), ...rows.map((row) => columns.map(([, value]) => cell(value(row))))];
  return lines.map((cells) => cells.join(",")).join("\r\n") + "\r\n";
}

/** Let the browser save a CSV text; the mark at its start tells spreadsheets that it is UTF-8. */
export function save(name, text) {
  const address = URL.createObjectURL(new Blob(["\ufeff", text], { type: "text/csv;charset=utf-8" }));
  const link = document.createElement("a");
  link.href = address;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}
