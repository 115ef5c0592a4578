/** The page's look, light and dark. Colours of curves: Okabe and Ito (2008), told apart with any colour vision. */
export const style = `
:root {
  color-scheme: light dark;
  --ink: #1d2530; --soft: #5b6675; --rule: #dfe3e8; --paper: #ffffff; --tint: #f4f6f8;
  --c0: #0072b2; --c1: #d55e00; --c2: #009e73; --c3: #cc79a7; --c4: #b07d00; --c5: #3a9bd6;
  --good: #00704f; --bad: #b3261e;
}
@media (prefers-color-scheme: dark) {
  :root {
    --ink: #e6eaef; --soft: #9aa5b3; --rule: #333c47; --paper: #14191f; --tint: #1c232b;
    --c0: #56b4e9; --c1: #f08a4b; --c2: #3ccf9f; --c3: #e0a3c6; --c4: #e6b84a; --c5: #8ccbf0;
    --good: #3ccf9f; --bad: #f2857d;
  }
}
body { margin: 0; background: var(--paper); color: var(--ink); font: 16px/1.55 system-ui, sans-serif; }
main { max-width: 760px; margin: 0 auto; padding: 32px 20px 64px; }
h1 { font-size: 1.9rem; margin: 0 0 4px; }
h2 { font-size: 1.45rem; margin: 56px 0 0; padding-top: 16px; border-top: 1px solid var(--rule); }
h3 { font-size: 1.1rem; margin: 32px 0 6px; }
p { margin: 8px 0; }
.soft { color: var(--soft); }
figure { margin: 20px 0; }
figcaption, caption { color: var(--soft); font-size: .9rem; text-align: left; padding-bottom: 6px; }
svg { display: block; width: 100%; height: auto; }
svg text { fill: var(--ink); font: 12px system-ui, sans-serif; }
svg .tick { fill: var(--soft); }
svg .head { font-weight: 600; }
svg .token { font: 11px ui-monospace, monospace; }
.grid { stroke: var(--rule); }
.axis { stroke: var(--soft); }
.level { stroke: var(--soft); stroke-dasharray: 5 4; }
.curve { fill: none; stroke-width: 2; stroke-linejoin: round; }
.frame { fill: var(--tint); }
.weight { fill: var(--c0); }
${[0, 1, 2, 3, 4, 5].map((i) => `.curve.c${i} { stroke: var(--c${i}); }\nsvg .t${i} { fill: var(--c${i}); font-weight: 600; }`).join('\n')}
.wide { overflow-x: auto; }
table { border-collapse: collapse; margin: 20px 0; font-variant-numeric: tabular-nums; }
th, td { padding: 5px 14px 5px 0; border-bottom: 1px solid var(--rule); text-align: right; }
th:first-child, td:first-child { text-align: left; }
tr.highlight td { font-weight: 600; background: var(--tint); }
blockquote { margin: 16px 0; padding: 12px 16px; background: var(--tint); border-left: 3px solid var(--c0); }
blockquote pre { margin: 0; white-space: pre-wrap; font: inherit; }
ul.claims { list-style: none; padding: 0; }
.holds { color: var(--good); font-weight: 600; }
.fails { color: var(--bad); font-weight: 600; }
`
