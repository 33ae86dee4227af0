/** The report's style, for light and dark; nothing is fetched. */

/** Content of the page's style element. */
export const STYLE = `
:root {
  color-scheme: light dark;
  --page: light-dark(#f7f7f5, #131416);
  --card: light-dark(#ffffff, #1c1e21);
  --edge: light-dark(#e2e2de, #303338);
  --text: light-dark(#1b1c1e, #e9eaec);
  --faint: light-dark(#62656b, #9da2aa);
  --good: light-dark(#10743f, #56c88a);
  --bad: light-dark(#b3261e, #f58a82);
  --c0: light-dark(#2166c9, #6ea8ff);
  --c1: light-dark(#d0560b, #ff9d57);
  --c2: light-dark(#0c8577, #3fcdbb);
  --c3: light-dark(#a1318f, #e58ad6);
  --c4: light-dark(#86700a, #dfc34a);
  --c5: light-dark(#5b5f97, #b0b5ee);
}
* { box-sizing: border-box }
body { margin: 0; background: var(--page); color: var(--text);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", sans-serif }
main { max-width: 1240px; margin: 0 auto; padding: 32px 20px 48px }
h1 { font-size: 24px; margin: 0; letter-spacing: -.01em }
h2 { font-size: 17px; margin: 36px 0 12px }
.about, .note { color: var(--faint); margin: 4px 0 0; overflow-wrap: anywhere }
.warning { color: var(--bad); margin: 8px 0 0; overflow-wrap: anywhere }
.tiles, .charts { display: grid; gap: 16px }
.tiles { grid-template-columns: repeat(auto-fit, minmax(190px, 1fr)); margin-top: 24px }
.charts { grid-template-columns: repeat(auto-fit, minmax(min(100%, 440px), 1fr)) }
.tile, figure, .scroll { background: var(--card); border: 1px solid var(--edge);
  border-radius: 10px }
.tile { padding: 14px 18px }
.tile b { display: block; font-size: 26px; font-weight: 650; letter-spacing: -.02em;
  font-variant-numeric: tabular-nums }
.tile b small { font-size: 14px; font-weight: 500; color: var(--faint); letter-spacing: 0 }
.tile span { color: var(--faint); font-size: 13px }
figure { margin: 0; padding: 14px 18px 10px }
figcaption { font-weight: 600 }
figure > svg { display: block; width: 100%; height: auto }
.legend { display: flex; flex-wrap: wrap; gap: 2px 16px; list-style: none; margin: 4px 0;
  padding: 0; font-size: 13px; color: var(--faint) }
.legend svg { width: 22px; height: 8px; margin-right: 6px; vertical-align: middle }
.colour0 { --line: var(--c0) } .colour1 { --line: var(--c1) } .colour2 { --line: var(--c2) }
.colour3 { --line: var(--c3) } .colour4 { --line: var(--c4) } .colour5 { --line: var(--c5) }
.line { fill: none; stroke: var(--line); stroke-width: 2; stroke-linejoin: round }
.dashed { stroke-dasharray: 5 4 }
.dot { fill: var(--line); stroke: var(--card); stroke-width: 1.5 }
.hover { fill: transparent }
.hover:hover { fill: var(--line) }
.grid { stroke: var(--edge) }
.axis, .mark { stroke: var(--faint); fill: none }
text { fill: var(--faint); font-size: 12px; font-variant-numeric: tabular-nums }
.middle { text-anchor: middle } .end { text-anchor: end }
.scroll { overflow-x: auto }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums }
th, td { padding: 8px 10px; text-align: right; white-space: nowrap;
  border-top: 1px solid var(--edge) }
thead th { border-top: 0; font-weight: 600; font-size: 13px; color: var(--faint);
  white-space: normal; vertical-align: bottom }
th:first-child, .left { text-align: left }
td small { display: block; color: var(--faint); font-size: 12px }
.better { color: var(--good) } .worse { color: var(--bad) }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 4px 20px; margin: 0 }
dt { color: var(--faint) } dd { margin: 0; overflow-wrap: anywhere }
@media print { body { background: none } figure, .tile { break-inside: avoid } }
`;
