"""How the report's page looks by day and by night, and what it does where scripts are allowed."""

from __future__ import annotations

STYLE = """\
:root{
  color-scheme:light dark;
  --bg:#fbfbfa;--fg:#1d2125;--dim:#5b636c;--line:#dcdfe3;--card:#fff;--link:#1f5fae;
  --good:#136c2e;--good-bg:#dcf3e2;--bad:#a8201a;--bad-bg:#fbe3e1;--part:#7a4d00;
  --part-bg:#fcefcf;--odd:#5b636c;--odd-bg:#eceef0;
  --c0:#0b62b8;--c1:#b5480e;--c2:#1b7d4f;--c3:#9a2f86;--c4:#6d5a00;--c5:#0e7c86;--c6:#8a1f2d;
  --c7:#4b4f9e;
}
@media (prefers-color-scheme:dark){
:root{
  --bg:#16181b;--fg:#dfe2e5;--dim:#a0a8b1;--line:#363b42;--card:#1d2024;--link:#85b7f5;
  --good:#7fd897;--good-bg:#173322;--bad:#ff9c94;--bad-bg:#402120;--part:#edc26b;
  --part-bg:#3a2f14;--odd:#a0a8b1;--odd-bg:#2a2e33;
  --c0:#74b4f5;--c1:#f0a072;--c2:#6fd3a0;--c3:#e39ad3;--c4:#d9c34a;--c5:#5fd0d8;--c6:#f28a93;
  --c7:#a9adf5;
}
}
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%;text-size-adjust:100%}
body{
  margin:0 auto;max-width:84rem;padding:1.5rem 1.25rem 4rem;background:var(--bg);
  color:var(--fg);font:1rem/1.5 system-ui,-apple-system,'Segoe UI',Roboto,sans-serif;
}
h1{font-size:1.6rem;line-height:1.25;margin:0 0 1rem;overflow-wrap:anywhere}
h2{font-size:1.2rem;margin:2.2rem 0 .6rem}
a{color:var(--link)}
code{font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;font-size:.9em}
.facts{display:grid;grid-template-columns:max-content 1fr;gap:.1rem 1rem;margin:0 0 1rem;
  font-size:.9rem}
.facts dt{color:var(--dim)}
.facts dd{margin:0;overflow-wrap:anywhere}
.none,.note{color:var(--dim);font-size:.9rem}
/* Plots. */
.plots{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,37.5rem),1fr));gap:1rem;
  align-items:start}
figure{margin:0;background:var(--card);border:1px solid var(--line);border-radius:.5rem;
  padding:.6rem .6rem .2rem;overflow-x:auto}
figcaption{font-weight:600;font-size:.95rem;padding:0 .3rem .2rem}
.plot{display:block;width:100%;min-width:36rem;max-width:48rem;margin:0 auto;height:auto}
.plot text{font:12px system-ui,-apple-system,'Segoe UI',Roboto,sans-serif;fill:var(--dim)}
.plot .axis{fill:var(--fg)}
.plot .name{fill:var(--fg);paint-order:stroke;stroke:var(--card);stroke-width:3px;
  stroke-linejoin:round}
.grid{stroke:var(--line);fill:none}
.lead{stroke:var(--dim);fill:none;stroke-width:.8}
.bar{fill:none;stroke-width:1.6;opacity:.65}
.point{stroke:var(--card);stroke-width:1}
.sign{width:1em;height:1em;vertical-align:-.12em;margin-right:.35em}
.bar.c0{stroke:var(--c0)}.bar.c1{stroke:var(--c1)}.bar.c2{stroke:var(--c2)}
.bar.c3{stroke:var(--c3)}.bar.c4{stroke:var(--c4)}.bar.c5{stroke:var(--c5)}
.bar.c6{stroke:var(--c6)}.bar.c7{stroke:var(--c7)}
.point.c0{fill:var(--c0)}.point.c1{fill:var(--c1)}.point.c2{fill:var(--c2)}
.point.c3{fill:var(--c3)}.point.c4{fill:var(--c4)}.point.c5{fill:var(--c5)}
.point.c6{fill:var(--c6)}.point.c7{fill:var(--c7)}
/* Tables. */
.wide{overflow-x:auto;border:1px solid var(--line);border-radius:.5rem;background:var(--card)}
.tall{max-height:80vh;overflow:auto}
table{border-collapse:collapse;font-size:.88rem;width:100%}
th,td{padding:.35rem .6rem;text-align:left;border-bottom:1px solid var(--line);
  vertical-align:top;white-space:nowrap}
tbody tr:last-child>*{border-bottom:0}
thead th{background:var(--card);color:var(--dim);font-weight:600;vertical-align:bottom}
.tall thead th{position:sticky;top:0;box-shadow:inset 0 -1px var(--line);z-index:1}
tbody th{font-weight:500}
.n{text-align:right;font-variant-numeric:tabular-nums}
td.long{white-space:normal;overflow-wrap:anywhere;min-width:18rem}
th button{all:unset;cursor:pointer;color:inherit}
th button:focus-visible,a:focus-visible,summary:focus-visible{outline:2px solid var(--link);
  outline-offset:2px}
th[aria-sort=ascending] button::after{content:' ▲'}
th[aria-sort=descending] button::after{content:' ▼'}
.whole>*{font-weight:650}
/* The grid of tasks. */
.cell{text-align:center;letter-spacing:.1em}
.cell a{text-decoration:none;color:inherit;padding:0 .1em}
.cell a:hover{text-decoration:underline}
.good{background:var(--good-bg);color:var(--good)}
.bad{background:var(--bad-bg);color:var(--bad)}
.part{background:var(--part-bg);color:var(--part)}
.odd{background:var(--odd-bg);color:var(--odd)}
.tall tbody th{position:sticky;left:0;background:var(--card)}
thead th.who{text-align:center}
.who small{display:block;font-weight:400}
.only{display:none;font-size:.9rem;margin:0 0 .5rem}
@supports selector(:has(*)){.only{display:block}}
body:has(#differ:checked) tr.same{display:none}
/* Bars of classes. */
.stack{display:grid;grid-template-columns:minmax(9rem,max-content) 1fr;gap:.2rem .8rem;
  font-size:.88rem;align-items:center;margin:.4rem 0 1.2rem}
.stack .of{display:flex;align-items:center;gap:.5rem}
.stack i{display:block;height:.85rem;border-radius:.15rem;min-width:2px;background:var(--c6)}
h3{font-size:1rem;margin:1rem 0 .3rem}
.each{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,30rem),1fr));gap:0 2rem}
details{border:1px solid var(--line);border-radius:.5rem;margin:.5rem 0;background:var(--card)}
summary{cursor:pointer;padding:.4rem .8rem}
details .wide{border:0;border-top:1px solid var(--line);border-radius:0}
@media print{.tall{max-height:none}body{max-width:none}}
"""

SCRIPT = """\
for (const table of document.querySelectorAll('table.sort')) {
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, at) => {
    const button = document.createElement('button');
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener('click', () => {
      const down = head.getAttribute('aria-sort') !== 'descending';
      heads.forEach(each => each.removeAttribute('aria-sort'));
      head.setAttribute('aria-sort', down ? 'descending' : 'ascending');
      const body = table.tBodies[0];
      const value = row => row.cells[at].dataset.v ?? row.cells[at].textContent;
      const rows = [...body.rows].map(row => [value(row), row]);
      rows.sort(([a], [b]) => {
        if (a === '' || b === '') return (a === '') - (b === '');
        const order = isNaN(a) || isNaN(b) ? a.localeCompare(b) : a - b;
        return down ? -order : order;
      });
      body.append(...rows.map(([, row]) => row));
    });
  });
}
"""
