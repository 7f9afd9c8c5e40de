// Checks the built site: every link inside it leads to a page and an anchor that exist, every picture and script is there, and every link
// to the repository names a file of it. vitepress itself only looks whether pages exist.
import fs from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..')
const site = path.resolve(process.argv[2] ?? path.join(root, 'dist/site'))
const base = process.env.SITE_BASE ?? '/'
const repository = /^https:\/\/github\.com\/reboot-operator\/reboot-operator\/(?:blob|tree|edit)\/main\/([^#?]*)(?:#(.*))?$/

const unescape = (text) => text.replace(/&amp;/g, '&').replace(/&quot;/g, '"').replace(/&#(\d+);/g, (_, code) => String.fromCodePoint(Number(code)))
const faults = new Set()

function htmlFiles(folder) {
  return fs.readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const name = path.join(folder, entry.name)
    return entry.isDirectory() ? htmlFiles(name) : name.endsWith('.html') ? [name] : []
  })
}

const contents = new Map(htmlFiles(site).map((file) => [file, fs.readFileSync(file, 'utf8')]))
const anchors = new Map()
function anchorsOf(file) {
  if (!anchors.has(file)) anchors.set(file, new Set([...contents.get(file).matchAll(/\s(?:id|name)="([^"]*)"/g)].map((id) => unescape(id[1]))))
  return anchors.get(file)
}

// The file that a server answers with.
function served(url) {
  const file = path.join(site, decodeURIComponent(url))
  for (const candidate of [file, file + '.html', path.join(file, 'index.html')]) {
    if (fs.existsSync(candidate) && fs.statSync(candidate).isFile()) return candidate
  }
  return undefined
}

// The headings of a Markdown file have the anchors that GitHub gives them.
function markdownAnchors(file) {
  const text = fs.readFileSync(file, 'utf8').replace(/```[\s\S]*?```/g, '')
  const slug = (heading) => heading.trim().replace(/\[([^\]]*)\]\([^)]*\)/g, '$1').toLowerCase().replace(/[^\p{L}\p{N}_ -]/gu, '').replace(/ /g, '-')
  return new Set([
    ...[...text.matchAll(/^#+ +(.+)$/gm)].map((heading) => slug(heading[1])), ...[...text.matchAll(/<a id="([^"]+)">/g)].map((id) => id[1]),
  ])
}

function checkRepository(page, href, [, file, anchor]) {
  const target = path.join(root, decodeURIComponent(file))
  if (!fs.existsSync(target)) return faults.add(`${page}: ${href}: the repository has no ${file}`)
  if (anchor && target.endsWith('.md') && !markdownAnchors(target).has(anchor)) faults.add(`${page}: ${href}: no heading of ${file} is called #${anchor}`)
}

function check(file, href) {
  const page = path.relative(site, file)
  const url = unescape(href)
  const inRepository = url.match(repository)
  if (inRepository) return checkRepository(page, url, inRepository)
  if (/^[a-z][a-z+.-]*:|^\/\//i.test(url)) return
  const [, where, anchor] = url.match(/^([^#?]*)(?:\?[^#]*)?(?:#(.*))?$/)
  let target = file
  if (where !== '') {
    if (where.startsWith('/') && !where.startsWith(base)) return faults.add(`${page}: ${url} is not below ${base}`)
    target = served(where.startsWith('/') ? where.slice(base.length) : path.join(path.dirname(page), where))
    if (!target) return faults.add(`${page}: ${url} does not exist`)
  }
  if (anchor && contents.has(target) && !anchorsOf(target).has(decodeURIComponent(anchor))) {
    faults.add(`${page}: ${url}: no anchor of ${path.relative(site, target)} is called #${anchor}`)
  }
}

let links = 0
for (const [file, html] of contents) {
  // Code is text; a comment is not shown.
  const shown = html.replace(/<!--[\s\S]*?-->/g, '')
  for (const [, href] of shown.matchAll(/<(?:a|link|img|script|source|video)\b[^>]*?\s(?:href|src)="([^"]*)"/g)) {
    links++
    check(file, href)
  }
}
for (const fault of [...faults].sort()) console.error(fault)
if (contents.size < 50 || links < 1000) {
  console.error(`only ${contents.size} pages and ${links} links were found in ${site}`)
  process.exit(1)
}
console.log(`${contents.size} pages with ${links} links and pictures: ${faults.size === 0 ? 'all lead somewhere' : faults.size + ' lead nowhere'}`)
process.exit(faults.size === 0 ? 0 : 1)
