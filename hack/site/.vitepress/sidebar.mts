import fs from 'node:fs'
import path from 'node:path'

// A section: its pages by their paths below docs/, without .md. A name with a slash at the end stands for every page in that folder.
type Section = { text: string, link?: string, collapsed?: boolean, pages: string[] }

// The order is what is written here. Every page is in one section, or the build fails; names that no page has are left out.
const sections: Section[] = [
  { text: 'Start', pages: ['quickstart', 'install', 'first-week', 'demo', 'helm', 'gitops', 'hosts', 'clusters'] },
  { text: 'Guides', link: 'guides/index', pages: ['guides/'] },
  { text: 'Come from kured', pages: ['migrate-from-kured', 'kured', 'comparison'] },
  { text: 'kubectl reboots', link: 'kubectl', pages: [
    'kubectl/install', 'kubectl/why', 'kubectl/status', 'kubectl/dashboard', 'kubectl/plan', 'kubectl/timeline', 'kubectl/windows', 'kubectl/act', 'kubectl/wait', 'kubectl/',
  ] },
  { text: 'Run', pages: ['operations', 'reasons', 'why', 'runbooks', 'monitoring', 'metrics', 'notifications', 'silences', 'forecast', 'faq'] },
  { text: 'Reference', pages: [
    'reference/rebootpolicy', 'spec/v1alpha1/rebootpolicy', 'reference/nodereboot', 'spec/v1alpha1/nodereboot', 'reason-messages', 'reference/',
  ] },
  { text: 'Security and safety', pages: ['safety', 'security', 'fault-injection', 'simulation', 'real-nodes', 'performance'] },
  { text: 'Develop', collapsed: true, pages: ['releasing', 'adr/'] },
]

// What stands in the sidebar where the title of a page is too long for it.
const short: Record<string, string> = {
  'kured': 'Differences from kured', 'migrate-from-kured': 'Migrate from kured', 'comparison': 'Comparison', 'faq': 'FAQ',
  'install': 'Install', 'helm': 'Helm', 'hosts': 'Hosts', 'clusters': 'Clusters', 'demo': 'The demo', 'gitops': 'GitOps',
  'reason-messages': 'Messages', 'why': 'why, for every reason', 'performance': 'Performance', 'simulation': 'Simulation',
  'kubectl/install': 'Install', 'kubectl/status': 'status, status --watch', 'kubectl/act': 'Commands that act',
  'fault-injection': 'Fault injection', 'real-nodes': 'Real nodes',
}

// The pages that are no part of the sidebar.
const outside = ['index']

function pagesBelow(folder: string, below = ''): string[] {
  return fs.readdirSync(path.join(folder, below), { withFileTypes: true }).flatMap((entry) => {
    const name = path.posix.join(below, entry.name)
    if (entry.isDirectory()) return pagesBelow(folder, name)
    return name.endsWith('.md') ? [name.slice(0, -'.md'.length)] : []
  }).sort()
}

// The pages of a folder: in the order in which its index links them, then by name.
function pagesOf(docs: string, all: string[], folder: string): string[] {
  const index = path.join(docs, folder, 'index.md')
  const text = fs.existsSync(index) ? fs.readFileSync(index, 'utf8') : ''
  const linked = [...text.matchAll(/\]\(([\w-]+)\.md\)/g)].map((link) => folder + link[1])
  const inside = all.filter((page) => page.startsWith(folder) && !page.slice(folder.length).includes('/') && page !== folder + 'index')
  return [...new Set([...linked.filter((page) => inside.includes(page)), ...inside])]
}

function title(docs: string, page: string): string {
  const heading = fs.readFileSync(path.join(docs, page + '.md'), 'utf8').match(/^# +(.+)$/m)
  if (!heading) throw new Error(`docs/${page}.md has no title: write one that begins with "# "`)
  return heading[1].replace(/`/g, '')
}

// sidebar reads the pages in docs, and their titles.
export function sidebar(docs: string) {
  const all = pagesBelow(docs)
  const seen = new Set(outside)
  const made = sections.map(({ text, link, collapsed, pages }) => {
    const names = new Set(pages.flatMap((page) => page.endsWith('/') ? pagesOf(docs, all, page) : all.includes(page) ? [page] : []))
    const items = [...names].filter((page) => !seen.has(page)).map((page) => {
      seen.add(page)
      return { text: short[page] ?? title(docs, page).replace(text + ' ', ''), link: '/' + page }
    })
    if (!link || !all.includes(link)) return { text, collapsed, items }
    seen.add(link)
    return { text, collapsed, items, link: '/' + link.replace(/index$/, '') }
  }).filter((section) => section.items.length > 0)
  const missing = all.filter((page) => !seen.has(page))
  if (missing.length > 0) {
    throw new Error(`no section of the sidebar has ${missing.map((page) => `docs/${page}.md`).join(', ')}: add it in hack/site/.vitepress/sidebar.mts`)
  }
  return made
}
