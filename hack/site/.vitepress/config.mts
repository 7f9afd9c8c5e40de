import fs from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitepress'
import { sidebar } from './sidebar.mts'

const repository = 'https://github.com/reboot-operator/reboot-operator'
const here = path.dirname(fileURLToPath(import.meta.url))
const docs = path.resolve(here, '../../../docs')
// The folder of the server that the site is published in.
const base = process.env.SITE_BASE ?? '/'

// A link to a file outside this folder, such as ../config/samples, leads to the repository: the site has no such page.
function outside(href: string, page: string): string | undefined {
  if (/^[a-z]+:|^#|^\//i.test(href)) return undefined
  const [file, anchor] = href.split('#')
  const target = path.resolve(docs, path.dirname(page), file)
  const within = path.relative(docs, target)
  const kind = path.extname(target) ? 'blob' : 'tree'
  if (!within.startsWith('..') && path.extname(target) === '.md') return undefined
  if (!within.startsWith('..') && path.extname(target) === '' && file.endsWith('/') && within !== 'adr') return undefined
  return `${repository}/${kind}/main/${path.relative(path.dirname(docs), target)}${anchor ? '#' + anchor : ''}`
}

export default defineConfig({
  title: 'reboot-operator',
  description: 'Reboot the nodes that need it: safely, in order, as fast as safety allows, with a proof for every reboot.',
  lang: 'en-US',
  base,
  srcDir: '../../docs',
  outDir: '../../dist/site',
  cacheDir: '../../dist/site-cache',
  cleanUrls: true,
  lastUpdated: false,
  srcExclude: ['node_modules/**'],
  head: [['link', { rel: 'icon', type: 'image/svg+xml', href: base + 'icon.svg' }]],
  vite: {
    publicDir: path.resolve(here, '../public'),
    // The pages are outside the folder that has the packages.
    resolve: { alias: [
      { find: /^asciinema-player$/, replacement: path.resolve(here, '../node_modules/asciinema-player') },
      { find: /^vue$/, replacement: path.resolve(here, '../node_modules/vue/dist/vue.runtime.esm-bundler.js') },
      { find: /^vue\/server-renderer$/, replacement: path.resolve(here, '../node_modules/vue/server-renderer/index.mjs') },
    ] },
    build: { chunkSizeWarningLimit: 2000 },
  },
  // A reference has hundreds of fields: at the side stand those right below spec and status only, by the sections of the page.
  transformPageData(page) {
    if (page.relativePath.startsWith('reference/')) page.frontmatter.outline = [2, 2]
  },
  markdown: {
    // A heading has the same anchor here and on GitHub.
    anchor: { slugify: (text) => text.trim().toLowerCase().replace(/[^\p{L}\p{N}_ -]/gu, '').replace(/ /g, '-') },
    config(md) {
      // Templates in braces, such as those of alerts, are text and no expressions of the site.
      const code = md.renderer.rules.code_inline!
      md.renderer.rules.code_inline = (...args) => code(...args).replace('<code', '<code v-pre')
      // On GitHub the recording of a terminal is a picture; here it is one that you can stop.
      const image = md.renderer.rules.image!
      md.renderer.rules.image = (tokens, i, options, env, self) => {
        const src = tokens[i].attrGet('src') ?? ''
        if (src.endsWith('images/rollout.svg')) {
          for (const file of [path.resolve(docs, path.dirname(env.relativePath), src), path.resolve(here, '../public/rollout.cast')]) {
            if (!fs.existsSync(file)) throw new Error(`${env.relativePath}: ${file} does not exist: run make recording`)
          }
          return `<Recording src="/rollout.cast" alt="${md.utils.escapeHtml(tokens[i].content)}" />`
        }
        return image(tokens, i, options, env, self)
      }
      // Nothing highlights PromQL.
      const fence = md.renderer.rules.fence!
      md.renderer.rules.fence = (tokens, i, ...rest) => {
        if (tokens[i].info === 'promql') tokens[i].info = 'txt'
        return fence(tokens, i, ...rest)
      }
      const open = md.renderer.rules.link_open ?? ((tokens, i, options, _, self) => self.renderToken(tokens, i, options))
      md.renderer.rules.link_open = (tokens, i, options, env, self) => {
        const href = tokens[i].attrGet('href')
        const target = href && outside(href, env.relativePath)
        if (target) {
          tokens[i].attrSet('href', target)
        }
        return open(tokens, i, options, env, self)
      }
    },
  },
  themeConfig: {
    logo: '/icon.svg',
    search: { provider: 'local' },
    outline: [2, 3],
    socialLinks: [{ icon: 'github', link: repository }],
    nav: [
      { text: 'Install', link: '/install' },
      ...(fs.existsSync(path.join(docs, 'guides/index.md')) ? [{ text: 'Guides', link: '/guides/' }] : []),
      { text: 'kubectl reboots', link: '/kubectl' },
      { text: 'Operations', link: '/operations' },
      { text: 'Reasons', link: '/reasons' },
      { text: 'Reference', link: '/reference/rebootpolicy' },
    ],
    sidebar: sidebar(docs),
    editLink: { pattern: `${repository}/edit/main/docs/:path`, text: 'Edit this page' },
    footer: { message: 'Apache License 2.0' },
  },
})
