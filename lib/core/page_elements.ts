// What the programs of Weft's own pages make elements with. Nothing that they are told becomes markup.
export const PAGE_ELEMENTS: string = `
const byId = (id) => document.getElementById(id)
const make = (name, text, className) => {
  const element = document.createElement(name)
  if (text !== undefined) element.textContent = text
  if (className) element.className = className
  return element
}
const svg = (name, attributes, text) => {
  const element = document.createElementNS('http://www.w3.org/2000/svg', name)
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value)
  if (text !== undefined) element.textContent = text
  return element
}
`
