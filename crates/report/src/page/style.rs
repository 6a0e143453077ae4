//! The style sheet of the page.

/// Colours are variables that the figures use too. Dark mode and print override them.
pub(super) const STYLE: &str = r"
:root{color-scheme:light dark;--page:#f4f5f7;--wm-paper:#fff;--wm-ink:#1c2330;--wm-muted:#596273;--wm-grid:#dfe3e8;--link:#0060a0;--note:#fff6e0;--note-edge:#E69F00}
@media (prefers-color-scheme:dark){:root{--page:#12151b;--wm-paper:#1b2028;--wm-ink:#e8ebf0;--wm-muted:#a3acba;--wm-grid:#363e4a;--wm-0:#4aa3df;--wm-2:#1fbf92;--wm-3:#f07a2c;--link:#7cc0f2;--note:#2d2716;--note-edge:#E69F00}}
@media print{:root{--page:#fff;--wm-paper:#fff;--wm-ink:#000;--wm-muted:#444;--wm-grid:#ccc;--wm-0:#0072B2;--wm-2:#009E73;--wm-3:#D55E00;--link:#000;--note:#fff}nav{display:none}section{box-shadow:none!important}}
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%;scroll-behavior:smooth}
body{margin:0 auto;max-width:74rem;padding:1.5rem 1.25rem 3rem;background:var(--page);color:var(--wm-ink);font:16px/1.55 system-ui,'Segoe UI',Roboto,'Helvetica Neue',Arial,sans-serif}
h1{font-size:1.75rem;line-height:1.2;margin:.2rem 0 .4rem;overflow-wrap:anywhere}
h2{font-size:1.2rem;margin:0 0 .6rem}
h3{font-size:1rem;margin:1.1rem 0 .2rem;overflow-wrap:anywhere}
p{margin:.3rem 0 .9rem;max-width:46rem}
.lead{font-size:1.05rem;color:var(--wm-muted)}
a{color:var(--link)}
nav{display:flex;flex-wrap:wrap;gap:.3rem 1.1rem;margin:.6rem 0 1.2rem}
section{background:var(--wm-paper);border-radius:10px;padding:1.2rem 1.3rem;margin:0 0 1.1rem;box-shadow:0 1px 3px rgb(0 0 0/.09)}
.grid{columns:2 26rem;column-gap:1.8rem;margin:.4rem 0 .3rem}
figure{margin:0;min-width:0}
.grid>figure{max-width:36rem;break-inside:avoid;padding-bottom:1.1rem}
figure>svg{display:block;width:100%;height:auto}
figcaption{font-size:.9rem;color:var(--wm-muted);margin:.2rem .9rem 0}
.wide{overflow-x:auto;margin:.5rem 0 .9rem}
table{border-collapse:collapse;font-size:.93rem}
th,td{padding:.4rem .8rem .4rem 0;text-align:left;vertical-align:bottom;border-bottom:1px solid var(--wm-grid)}
td{vertical-align:top;overflow-wrap:anywhere}
thead th{color:var(--wm-muted);font-weight:500;font-size:.86rem}
tbody th{font-weight:500;vertical-align:top;white-space:nowrap}
.numbers td,.numbers thead th+th{text-align:right;font-variant-numeric:tabular-nums}
.numbers td{white-space:nowrap}
.notes{margin:.5rem 0 .9rem;padding:.6rem .9rem .6rem 2rem;background:var(--note);border-left:4px solid var(--note-edge);border-radius:4px;font-size:.93rem}
.notes .heading{list-style:none;margin-left:-1.1rem;font-weight:600}
dl{margin:0;display:grid;grid-template-columns:minmax(9rem,14rem) 1fr;gap:.5rem 1.2rem}
dt{font-weight:600}
dd{margin:0;max-width:44rem}
.thumb{display:block;width:4.5rem;height:4.5rem;object-fit:contain;image-rendering:pixelated;background:#000;border-radius:6px}
.file{margin:0 0 .4rem;font-size:.85rem;color:var(--wm-muted);overflow-wrap:anywhere}
.versions{display:grid;grid-template-columns:repeat(auto-fill,minmax(6.6rem,1fr));gap:.4rem;margin:0 0 1.3rem;break-inside:avoid}
.version{display:block;width:100%;aspect-ratio:1;object-fit:contain;image-rendering:pixelated;border:3px solid transparent;border-radius:6px}
.version.plain{border-color:var(--wm-0,#0072B2)}
pre{margin:.3rem 0;white-space:pre-wrap;overflow-wrap:anywhere;font-size:.9rem;line-height:1.45}
.no-data{color:var(--wm-muted)}
@media (max-width:40rem){body{padding:1rem .6rem 2rem}section{padding:1rem .8rem}tbody th{white-space:normal}th,td{padding-right:.6rem}dl{display:block}dd{margin:0 0 .7rem}figcaption{margin-left:.2rem;margin-right:.2rem}}
";
