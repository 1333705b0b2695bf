"""How an exported page looks: by day and by night, on wide screens and narrow ones, on paper."""

from __future__ import annotations

STYLE = """\
:root {
  color-scheme: light dark;
  --bg: #fbfbfa; --fg: #1d2125; --dim: #626a73; --line: #dfe1e4; --card: #fff; --code: #f3f4f5;
  --person: #eaf1fb; --person-line: #3b6fb6; --link: #1f5fae; --bad: #b3261e; --bad-bg: #fdecea;
  --good: #1a7f37; --add: #e3f6e8; --add-fg: #0f5323; --del: #fdeaea; --del-fg: #86181d;
  --hunk: #5a45a5; --k: #8b2a8f; --s: #1a6b35; --n: #0b5cad; --c: #6a737d; --m: #a04a00;
  --t: #7a5600;
}
@media (prefers-color-scheme: dark) {
:root {
  --bg: #16181b; --fg: #dfe2e5; --dim: #98a1ab; --line: #33383e; --card: #1d2024;
  --code: #23272c; --person: #1c2a3d; --person-line: #6ea3e8; --link: #85b7f5; --bad: #ff938a;
  --bad-bg: #3b1f1e; --good: #6fce87; --add: #16311f; --add-fg: #a5e3b5; --del: #3b1f21;
  --del-fg: #f4b3b3; --hunk: #b7a5f5; --k: #d99be0; --s: #93d6a4; --n: #86bbf7; --c: #8b949e;
  --m: #f0b07a; --t: #e0c27a;
}
}
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%;text-size-adjust:100%;scroll-padding-top:1rem}
body{
  margin:0 auto;
  max-width:58rem;
  padding:1.5rem 1.25rem 4rem;
  background:var(--bg);
  color:var(--fg);
  font:1rem/1.6 system-ui,-apple-system,'Segoe UI',Roboto,sans-serif;
  overflow-wrap:anywhere;
}
h1{font-size:1.6rem;line-height:1.25;margin:0 0 1rem}
a{color:var(--link);text-underline-offset:.15em}
pre,code,kbd{font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;font-size:.85em}
pre{
  margin:.5rem 0;
  padding:.6rem .8rem;
  background:var(--code);
  border-radius:.4rem;
  overflow-x:auto;
  line-height:1.45;
  font-size:.82rem;
  tab-size:4;
  overflow-wrap:normal;
}
pre.words{white-space:pre-wrap;overflow-wrap:anywhere;overflow-x:visible}
code{background:var(--code);padding:.1em .3em;border-radius:.25em}
pre code{padding:0;background:none;font-size:inherit}
/* The head: what is known of the session. */
.facts{
  display:grid;
  grid-template-columns:max-content 1fr;
  gap:.1rem 1rem;
  margin:0 0 1rem;
  font-size:.88rem;
}
.facts dt{color:var(--dim)}
.facts dd{margin:0}
nav{
  border:1px solid var(--line);
  border-radius:.5rem;
  padding:.5rem .9rem;
  font-size:.9rem;
  margin:0 0 1.5rem;
}
nav summary{color:var(--dim)}
nav ol{margin:.5rem 0 .25rem;padding-left:2.2rem}
/* Messages. */
article{margin:0 0 1.25rem}
article>header{
  display:flex;
  flex-wrap:wrap;
  align-items:baseline;
  gap:.1rem .75rem;
  font-size:.8rem;
  color:var(--dim);
  margin:0 0 .25rem;
}
h2{font-size:.82rem;font-weight:650;margin:0;color:var(--fg)}
header time,header .cost{font-variant-numeric:tabular-nums}
header .at{margin-left:auto;color:inherit;text-decoration:none}
.person{
  background:var(--person);
  border-left:3px solid var(--person-line);
  border-radius:.15rem .5rem .5rem .15rem;
  padding:.65rem 1rem;
}
.qcode{border-left:3px solid var(--line);padding:.1rem 1rem;color:var(--dim)}
.words{white-space:pre-wrap;margin:0}
.person>:last-child{margin-bottom:0}
.prose>:first-child{margin-top:0}
.prose>:last-child{margin-bottom:0}
.prose h3,.prose h4,.prose h5,.prose h6{line-height:1.3;margin:1.2rem 0 .4rem}
.prose h3{font-size:1.2rem}
.prose h4{font-size:1.08rem}
.prose h5,.prose h6{font-size:1rem}
.prose p,.prose ul,.prose ol{margin:.6rem 0}
.prose li>p{margin:.2rem 0}
.prose blockquote{
  margin:.6rem 0;
  padding:0 0 0 .9rem;
  border-left:3px solid var(--line);
  color:var(--dim);
}
.prose hr{border:0;border-top:1px solid var(--line)}
.wide{overflow-x:auto}
table{border-collapse:collapse;font-size:.92em}
th,td{
  border:1px solid var(--line);
  padding:.3rem .6rem;
  text-align:left;
  vertical-align:top;
  overflow-wrap:normal;
}
.to{color:var(--dim);font-size:.85em}
figure{margin:.75rem 0 0}
figure img{max-width:100%;max-height:32rem;border-radius:.4rem;border:1px solid var(--line)}
figcaption{font-size:.8rem;color:var(--dim)}
/* What folds. */
summary{cursor:pointer;border-radius:.25rem}
summary:focus-visible,a:focus-visible{outline:2px solid var(--link);outline-offset:2px}
.thought{margin:.25rem 0 .6rem;font-size:.92rem;color:var(--dim)}
.thought>.words{border-left:2px solid var(--line);padding-left:.8rem;margin:.4rem 0}
/* Calls and their results. */
.call{
  border:1px solid var(--line);
  border-radius:.5rem;
  background:var(--card);
  margin:.6rem 0;
  overflow:hidden;
}
.call>header{
  display:flex;
  flex-wrap:wrap;
  gap:.1rem .6rem;
  align-items:baseline;
  padding:.4rem .8rem;
  font-size:.88rem;
  border-bottom:1px solid var(--line);
}
.call>header b{font-weight:650}
.call>header code{background:none;padding:0}
.call .mark{color:var(--good)}
.call.bad .mark{color:var(--bad)}
.call.bad{border-color:var(--bad)}
.call dl{
  display:grid;
  grid-template-columns:max-content 1fr;
  gap:.1rem .8rem;
  margin:0;
  padding:.4rem .8rem;
  font-size:.84rem;
}
.call dt{color:var(--dim)}
.call dd{
  margin:0;
  white-space:pre-wrap;
  min-width:0;
  font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;
  font-size:.95em;
}
.call .long{padding:0 .8rem .1rem;font-size:.84rem;color:var(--dim)}
.call .long pre{margin:.3rem 0 .5rem;color:var(--fg)}
.call>details{border-top:1px solid var(--line)}
.call>details>summary{padding:.35rem .8rem;font-size:.84rem;color:var(--dim)}
.call>details>pre{margin:0;border-radius:0;max-height:36rem;overflow:auto}
.call>header:last-child{border-bottom:0}
.call>header+details{border-top:0}
/* Boundaries and notes. */
.note{color:var(--dim);font-size:.85rem}
.bad-note{color:var(--bad)}
.aside{
  border-block:1px dashed var(--line);
  padding:.6rem 0;
  margin:1.5rem 0;
  font-size:.88rem;
  color:var(--dim);
}
.old{opacity:.87}
/* Code. Classes are ours; what they stand for is in code.py. */
.k{color:var(--k)}
.s{color:var(--s)}
.n{color:var(--n)}
.m{color:var(--m)}
.t{color:var(--t)}
.c{color:var(--c);font-style:italic}
.l{color:var(--dim);user-select:none}
.add,.del{display:inline-block;min-width:100%}
.add{background:var(--add);color:var(--add-fg)}
.del{background:var(--del);color:var(--del-fg)}
.hunk{color:var(--hunk)}
.file{font-weight:650}
@media (max-width:40rem){
  body{padding:1rem .75rem 3rem}
  .person{padding:.6rem .75rem}
  h1{font-size:1.3rem}
  .facts{grid-template-columns:1fr;gap:0}
  .facts dd{margin:0 0 .35rem}
  .call dl{grid-template-columns:1fr}
  .call dd{margin:0 0 .3rem}
}
@media print{
  body{max-width:none;background:none}
  .call,.person{break-inside:avoid}
  .call>details>pre{max-height:none}
}
"""
