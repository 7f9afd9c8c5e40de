import path from 'node:path'
import { defineConfig } from 'vitepress'

const repository = 'https://github.com/reboot-operator/reboot-operator'
const docs = path.resolve(import.meta.dirname, '../../../docs')

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
  srcDir: '../../docs',
  outDir: '../../dist/site',
  cacheDir: '../../dist/site-cache',
  cleanUrls: true,
  lastUpdated: false,
  srcExclude: ['node_modules/**'],
  head: [['link', { rel: 'icon', type: 'image/svg+xml', href: '/icon.svg' }]],
  vite: {
    publicDir: path.resolve(import.meta.dirname, '../public'),
    // The pages are outside the folder that has the packages.
    resolve: { alias: [
      { find: /^vue$/, replacement: path.resolve(import.meta.dirname, '../node_modules/vue/dist/vue.runtime.esm-bundler.js') },
      { find: /^vue\/server-renderer$/, replacement: path.resolve(import.meta.dirname, '../node_modules/vue/server-renderer/index.mjs') },
    ] },
    build: { chunkSizeWarningLimit: 2000 },
  },
  markdown: {
    config(md) {
      // Templates in braces, such as those of alerts, are text and no expressions of the site.
      const code = md.renderer.rules.code_inline!
      md.renderer.rules.code_inline = (...args) => code(...args).replace('<code', '<code v-pre')
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
      { text: 'kubectl reboots', link: '/kubectl' },
      { text: 'Operations', link: '/operations' },
      { text: 'Reasons', link: '/reasons' },
      { text: 'API', link: '/spec/v1alpha1/rebootpolicy' },
    ],
    sidebar: [
      { text: 'Start', items: [
        { text: 'Install', link: '/install' },
        { text: 'The first week', link: '/first-week' },
        { text: 'The demo', link: '/demo' },
        { text: 'Helm', link: '/helm' },
        { text: 'GitOps', link: '/gitops' },
        { text: 'Hosts', link: '/hosts' },
        { text: 'Clusters', link: '/clusters' },
        { text: 'Migrate from kured', link: '/migrate-from-kured' },
        { text: 'What is different from kured', link: '/kured' },
        { text: 'Comparison', link: '/comparison' },
      ] },
      { text: 'kubectl reboots', link: '/kubectl', items: [
        { text: 'why', link: '/kubectl/why' },
        { text: 'status and --watch', link: '/kubectl/status' },
        { text: 'dashboard', link: '/kubectl/dashboard' },
        { text: 'plan', link: '/kubectl/plan' },
        { text: 'snapshot', link: '/kubectl/snapshot' },
        { text: 'timeline', link: '/kubectl/timeline' },
        { text: 'windows', link: '/kubectl/windows' },
        { text: 'Commands that act', link: '/kubectl/act' },
        { text: 'wait', link: '/kubectl/wait' },
        { text: 'lint', link: '/kubectl/lint' },
        { text: 'check', link: '/kubectl/check' },
        { text: 'from-kured', link: '/kubectl/from-kured' },
      ] },
      { text: 'Run', items: [
        { text: 'Operations', link: '/operations' },
        { text: 'Reasons', link: '/reasons' },
        { text: 'Runbooks', link: '/runbooks' },
        { text: 'Monitoring', link: '/monitoring' },
        { text: 'Metrics', link: '/metrics' },
        { text: 'Notifications', link: '/notifications' },
        { text: 'Silences', link: '/silences' },
      ] },
      { text: 'Reference', items: [
        { text: 'RebootPolicy', link: '/spec/v1alpha1/rebootpolicy' },
        { text: 'NodeReboot', link: '/spec/v1alpha1/nodereboot' },
        { text: 'Messages', link: '/reason-messages' },
        { text: 'why, for every reason', link: '/why' },
        { text: 'The forecast', link: '/forecast' },
      ] },
      { text: 'Why to trust it', items: [
        { text: 'Safety model', link: '/safety' },
        { text: 'Performance', link: '/performance' },
        { text: 'Fault injection', link: '/fault-injection' },
        { text: 'Simulation', link: '/simulation' },
        { text: 'Real nodes', link: '/real-nodes' },
      ] },
    ],
    editLink: { pattern: `${repository}/edit/main/docs/:path`, text: 'Edit this page' },
    footer: { message: 'Apache License 2.0' },
  },
})
