// What a client may call itself or say, chosen by somebody who means harm or mischief. Scripts among them
// would set `window.ran`. Nothing here is refused by MQTT: no null character, no half of a surrogate pair.
const RUN = 'window.ran=1'
const mark = (/** @type {number} */ point) => String.fromCodePoint(point)

/** @type {readonly string[]} */
export const HOSTILE = [
  // Scripts and their hiding places.
  `<script>${RUN}</script>`,
  `<img src=x onerror=${RUN}>`,
  `<svg onload=${RUN}>`,
  `"><script>${RUN}</script>`,
  `' onmouseover='${RUN}`,
  `" autofocus onfocus="${RUN}`,
  `javascript:${RUN}`,
  `<iframe srcdoc="<script>parent.${RUN}</script>">`,
  `<a href="javascript:${RUN}">x</a>`,
  `<style>*{display:none}</style>`,
  `</textarea><script>${RUN}</script>`,
  `{{constructor.constructor('${RUN}')()}}`,
  `\${${RUN}}`,
  `<!--><script>${RUN}</script>-->`,
  `<base href=//evil.example>`,
  `<meta http-equiv=refresh content=0;url=//evil.example>`,
  `%3Cscript%3E${RUN}%3C/script%3E`,
  `&lt;script&gt;${RUN}&lt;/script&gt;`,
  // Direction, and what is not seen.
  `abc${mark(0x202e)}fdp.exe`,
  `${mark(0x2066)}rtl${mark(0x2069)}${mark(0x200f)}`,
  `test${mark(0x200b)}`,
  `te${mark(0x200d)}st${mark(0xfeff)}`,
  `${mark(0xad)}soft${mark(0x2060)}`,
  `${mark(0xe0041)}${mark(0xe0042)}tags`,
  // Control characters.
  `bell${mark(7)}back${mark(8)}${mark(0x1b)}[31mred`,
  `two\r\nlines\ttab`,
  `c1${mark(0x85)}${mark(0x9b)}`,
  // Formulas.
  '=1+1',
  '=HYPERLINK("http://evil.example","x")',
  '+1+cmd|calc!A0',
  '-2+3',
  '@SUM(1,1)',
  // Size and shape.
  'W'.repeat(1000),
  `z${'\u0300\u0316\u0489'.repeat(100)}`,
  `${'深'.repeat(300)}`,
  '👩‍👩‍👧‍👦🏳️‍🌈🇨🇳'.repeat(4),
  'مرحبا بالعالم שלום',
  // What is taken for something else.
  'null',
  '__proto__',
  'quote","and;semi\'colon\\',
  '../../etc/passwd?x=1&y=2#z',
  ' leading and trailing ',
]

/** As a topic that clients may publish to: without wildcards, and not the broker's own. @param {string} text */
export function asTopic(text) {
  return text.replaceAll('+', '＋').replaceAll('#', '＃').replace(/^\$/, '＄')
}

/** The broker takes control characters in names for a malformed packet, as the standard allows. @param {string} text */
export function isName(text) {
  return !/[\u0001-\u001f\u007f-\u009f]/.test(text)
}
