const entities: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
}

/** Text for an element or an attribute in quotes; characters that HTML forbids become U+FFFD. */
export function escape(text: string): string {
  return text.replace(/[&<>"']/g, (sign) => entities[sign]!).replace(/(?![\t\n])\p{Cc}|\p{Cs}/gu, '\ufffd')
}

/** An element; attributes are escaped, the content is markup already. */
export function element(
  name: string,
  attributes: Readonly<Record<string, string | number | undefined>> = {},
  ...content: readonly string[]
): string {
  const written = Object.entries(attributes)
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => ` ${key}="${escape(String(value))}"`)
  return `<${name}${written.join('')}>${content.join('')}</${name}>`
}
