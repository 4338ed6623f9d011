import { compactStyle } from './compact.ts'

/** The page's looks, light and dark. Nothing comes from elsewhere. */
export const STYLE = compactStyle(`
:root {
  color-scheme: light dark;
  --page: #f3f5f7; --card: #fff; --ink: #17212b; --soft: #51606f; --line: #d9e0e7; --accent: #0b6e63; --tint: #e2f1ee;
  --good: #17703f; --warn: #a3260f; --warn-tint: #fbe9e5; --wait: #7a5400; --wait-tint: #faf0d8; --idle-tint: #e8ecf0;
  font: 15px/1.45 system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #10161c; --card: #18212a; --ink: #e6edf3; --soft: #a3b3c2; --line: #2c3946; --accent: #5fd6c4; --tint: #14302d;
    --good: #6fd49a; --warn: #ff9b85; --warn-tint: #3a1d18; --wait: #f0c568; --wait-tint: #352b14; --idle-tint: #24303b;
  }
}
* { box-sizing: border-box }
[hidden], html:not(.js) .act { display: none !important }
body { margin: 0; background: var(--page); color: var(--ink) }
main, .bar { max-width: 92rem; margin: 0 auto; padding: 0 1rem }
main { padding-top: 1rem }
a { color: var(--accent) }
h1 { font-size: 1.3rem; margin: 0 }
h2 { font-size: 1.1rem; margin: 0; overflow-wrap: anywhere }
h3 { font-size: 1rem; margin: 0; overflow-wrap: anywhere }
small { color: var(--soft); font-size: .85rem }
b, strong, small, code, a { unicode-bidi: isolate }
code { font: .9em ui-monospace, Menlo, Consolas, "DejaVu Sans Mono", monospace; overflow-wrap: anywhere }
.skip { position: absolute; left: -99rem }
.skip:focus { left: 1rem; top: .5rem; background: var(--card); padding: .5rem; z-index: 2 }
.top { background: var(--card); border-bottom: 1px solid var(--line) }
.bar { display: flex; flex-wrap: wrap; align-items: center; gap: .4rem 1.2rem; padding-top: .8rem; padding-bottom: .8rem }
.bar p { margin: 0; color: var(--soft) }
#live { margin-left: auto }
#live::before { content: ""; display: inline-block; width: .6rem; height: .6rem; margin-right: .4rem; border-radius: 50%; background: var(--line) }
#live.on::before { background: var(--good) }
#live.off::before { background: var(--warn) }
#summary { margin: 0 0 1rem; font-size: 1.05rem }
#summary ul { height: 5.2rem; overflow: auto; margin: .4rem 0 0; padding: .5rem .6rem .5rem 1.8rem; background: var(--card); border: 1px solid var(--line); border-left: 4px solid var(--line); border-radius: 6px; font-size: .95rem; overflow-wrap: anywhere }
#summary .some { background: var(--warn-tint); border-color: var(--warn) }
.fine { color: var(--good) } .warn { color: var(--warn) }
#note { position: fixed; left: 50%; bottom: 1rem; transform: translateX(-50%); z-index: 1; width: max-content; max-width: calc(100vw - 2rem); margin: 0; padding: .6rem 1rem; border-radius: 8px; background: var(--ink); color: var(--page); overflow-wrap: anywhere }
#note.bad { background: var(--warn); color: var(--page) }
#note:empty { display: none }
section { background: var(--card); border: 1px solid var(--line); border-radius: 12px; margin: 0 0 1.2rem; padding: 1rem }
section > header { display: flex; flex-wrap: wrap; align-items: baseline; gap: .3rem .9rem; margin-bottom: .6rem }
.method { margin: 0; padding: 0 .5rem; border-radius: 6px; background: var(--idle-tint); color: var(--soft); font-size: .9rem }
.facts { list-style: none; display: flex; flex-wrap: wrap; gap: .1rem 1rem; margin: 0; padding: 0; color: var(--soft); font-size: .9rem; overflow-wrap: anywhere; min-width: 0 }
.tools { display: flex; flex-wrap: wrap; gap: .4rem; margin-left: auto }
button, input, select { font: inherit; color: inherit }
button { background: var(--card); border: 1px solid var(--soft); border-radius: 7px; padding: .3rem .7rem; min-height: 2.2rem; cursor: pointer; white-space: nowrap }
button:hover { background: var(--tint); border-color: var(--accent) }
button[aria-busy] { opacity: .6 }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px }
.heads, .server { display: grid; gap: .1rem 1rem; grid-template-columns: minmax(11rem, 1.6fr) 6.5rem 6rem minmax(7rem, 1fr) minmax(7rem, 1fr) minmax(6rem, .8fr) 16.5rem }
html:not(.js) .heads, html:not(.js) .server { grid-template-columns: minmax(11rem, 1.6fr) 6.5rem 6rem minmax(7rem, 1fr) minmax(7rem, 1fr) minmax(6rem, .8fr) 0 }
.heads { color: var(--soft); font-size: .85rem; padding: 0 .6rem .3rem }
.server { border-top: 1px solid var(--line); padding: .6rem; align-items: start; border-left: 4px solid transparent }
.server.sick { background: var(--warn-tint); border-left-color: var(--warn) }
.server.draining, .server.down, .server.checking { border-left-color: var(--wait) }
.server:target { outline: 2px solid var(--accent) }
.server > div { min-width: 0 }
.server i { display: none; font-style: normal; color: var(--soft); font-size: .8rem }
.server b, .server strong { font-variant-numeric: tabular-nums; overflow-wrap: anywhere; margin-right: .5em }
.server > div b { white-space: nowrap }
.server small { white-space: nowrap; font-variant-numeric: tabular-nums }
.server .name small { display: block; white-space: normal; overflow-wrap: anywhere }
.state small, [data-k=load] small { display: block }
.badge { display: inline-block; padding: .05rem .5rem; border-radius: 1rem; background: var(--tint); color: var(--good); font-size: .9rem }
.sick .badge { background: var(--warn); color: var(--page) }
.draining .badge, .down .badge, .checking .badge, .full .badge { background: var(--wait-tint); color: var(--wait) }
.words { grid-column: 1 / -1; min-height: 1.45em; margin: .2rem 0 0; color: var(--soft); font-size: .9rem; overflow-wrap: anywhere }
.sick .words b { color: var(--warn) }
.actions { display: flex; gap: .4rem; justify-content: flex-end }
.actions [data-k=one], .actions [data-k=two] { width: 5.2rem; padding-left: 0; padding-right: 0 }
svg { display: block; width: 100%; height: 1.7rem; margin-top: .2rem; border-bottom: 1px solid var(--line); overflow: visible }
path { fill: none; stroke: var(--accent); stroke-width: 1.5; stroke-linecap: round; stroke-linejoin: round; vector-effect: non-scaling-stroke }
path.bad { stroke: var(--warn); stroke-width: 2; stroke-linecap: butt }
.cards, .columns { display: grid; gap: 1rem; grid-template-columns: repeat(auto-fill, minmax(min(100%, 19rem), 1fr)) }
.columns > section { margin: 0 }
.columns { align-items: start; margin-bottom: 1.2rem; grid-template-columns: repeat(auto-fit, minmax(min(100%, 24rem), 1fr)) }
.cache { border: 1px solid var(--line); border-radius: 10px; padding: .8rem; display: flex; flex-direction: column; gap: .4rem; min-width: 0 }
.cache .tools { margin: auto 0 0 }
.big { margin: 0 } .big b { font-size: 1.5rem; font-variant-numeric: tabular-nums }
.list { list-style: none; margin: .6rem 0 0; padding: 0; max-height: 24rem; overflow: auto; font-size: .92rem }
.list > li { border-top: 1px solid var(--line); padding: .4rem 0; overflow-wrap: anywhere }
.list p { margin: 0 } .list ol { margin: .1rem 0 0; padding-left: 1.5rem; color: var(--soft) }
.none { color: var(--soft) }
table { width: 100%; border-collapse: collapse; font-size: .92rem }
th { text-align: left; color: var(--soft); font-weight: 500 }
th, td { border-top: 1px solid var(--line); padding: .35rem .6rem .35rem 0; vertical-align: top; overflow-wrap: anywhere }
thead th, thead td { border-top: 0; white-space: nowrap }
.processes { margin-top: .8rem }
.processes caption { text-align: left; font-weight: 600; padding-bottom: .3rem; overflow-wrap: anywhere }
.processes .says { width: 45% }
.processes .says div { height: 2.9em; overflow: auto }
.processes td { padding-right: 1rem }
.processes .sick .says b { color: var(--warn) }
.num { white-space: nowrap; font-variant-numeric: tabular-nums }
.search { display: flex; flex-wrap: wrap; gap: .5rem; align-items: end; margin-bottom: .8rem }
.search label { flex: 1 1 14rem }
.pages { display: flex; gap: 1rem; margin: .8rem 0 0 }
dialog { border: 1px solid var(--line); border-radius: 12px; background: var(--card); color: var(--ink); padding: 1.2rem; width: min(34rem, calc(100vw - 2rem)) }
dialog::backdrop { background: #0008 }
.fields { display: grid; grid-template-columns: minmax(0, 1fr) minmax(0, 1fr); gap: .5rem .8rem; align-items: center; margin: .9rem 0 }
.fields label, .search label { font-size: .92rem }
.fields .flag { grid-column: 1 / -1 }
input:not([type=checkbox]), select { width: 100%; min-height: 2.2rem; padding: .3rem .5rem; border: 1px solid var(--soft); border-radius: 7px; background: var(--page) }
input[type=checkbox] { width: 1.1rem; height: 1.1rem; vertical-align: -.15rem; accent-color: var(--accent) }
.problem { margin: 0 0 .6rem; color: var(--warn); overflow-wrap: anywhere }
.problem:empty { display: none }
.foot { display: flex; flex-wrap: wrap; gap: .5rem }
.foot [type=submit] { background: var(--accent); border-color: var(--accent); color: var(--card); font-weight: 600 }
.more { display: flex; flex-wrap: wrap; gap: .5rem; margin-bottom: .8rem }
.danger { color: var(--warn); border-color: var(--warn) }
footer { color: var(--soft); font-size: .9rem; padding-bottom: 4rem }

@media (max-width: 72rem) {
  .heads { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%) }
  .server, html:not(.js) .server { grid-template-columns: repeat(2, minmax(0, 1fr)); gap: .5rem 1rem; padding: .7rem .6rem }
  .server i { display: block }
  .server .name { grid-column: 1 / -1 }
  .server .state { grid-column: 1 / -1 }
  .state small { display: inline; margin-left: .5rem }
  .server .actions { grid-column: 1 / -1; justify-content: flex-start; flex-wrap: wrap }
  .server .words { grid-row: 3 }
  .tools { margin-left: 0; width: 100% }
}
@media (min-width: 48rem) and (max-width: 72rem) {
  .server, html:not(.js) .server { grid-template-columns: repeat(4, minmax(0, 1fr)) }
  .server .name { grid-column: 1 / 3 }
  .server .state { grid-column: 3 / -1; text-align: right }
  .server .words { grid-row: 2 }
}
@media (max-width: 48rem) {
  .processes thead { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%) }
  .processes tr { display: flex; flex-wrap: wrap; gap: 0 1rem; border-top: 1px solid var(--line); padding: .35rem 0 }
  .processes th, .processes td { border: 0; padding: .1rem 0 }
  .processes th, .processes .says { flex-basis: 100%; width: auto }
  .processes td:nth-child(2)::before { content: "process " }
  .processes td:nth-child(4)::before { content: "restarts " }
  .processes td { order: 1 }
  .processes td:nth-child(3) { order: 2; flex-basis: 100% }
  .processes .says { order: 3 }
}
@media (max-width: 30rem) {
  .fields { grid-template-columns: minmax(0, 1fr); gap: .2rem }
  .fields input, .fields select { margin-bottom: .4rem }
  #live { margin-left: 0 }
  .optional { display: none }
}
`)
