//! Renders the page: the chapters in order, each with its aim, formulas, text, figures and remaining defect.
//!
//! One file holds everything: style, script, texts and data. Each language is a file of its own, and the two link to each
//! other, so switching the language needs neither a network nor a script.

use crate::chain::TrainedChain;
use crate::formula::{MathStyle, mathml};
use crate::plain::Trained;
use crate::script::SCRIPT_FILES;
use crate::texts::{Language, Texts, add, escape};
use crate::{Error, TrainedFeatures, plain, script};

const STYLE: &str = include_str!("../page/style.css");

/// One chapter. Its texts are `chapter.ID.title`, `aim`, `text` and, if `wrong` is set, `wrong`.
struct Chapter {
    id: &'static str,
    formulas: &'static [&'static str],
    /// The member of the family: keys of score, pool, margin and link, and the index of the one that is new in this chapter.
    axes: Option<([&'static str; 4], usize)>,
    figures: &'static [&'static str],
    wrong: bool,
}

const CHAPTERS: &[Chapter] = &[
    Chapter {
        id: "hinges",
        formulas: &["L = \\sum_{i \\ne y} \\max (z_i - z_y, \\, 0)"],
        axes: Some((["dot", "hinges", "none", "hinge"], 1)),
        figures: &["plane"],
        wrong: true,
    },
    Chapter {
        id: "lead",
        formulas: &["L = \\sum_{i \\ne y} \\max (z_i - z_y + m, \\, 0)"],
        axes: Some((["dot", "hinges", "scoreMargin", "hinge"], 2)),
        figures: &["explode"],
        wrong: true,
    },
    Chapter {
        id: "hardest",
        formulas: &["L = \\max \\left( \\max_{i \\ne y} z_i - z_y + m, \\, 0 \\right)"],
        axes: Some((["dot", "max", "scoreMargin", "hinge"], 1)),
        figures: &["descent"],
        wrong: true,
    },
    Chapter {
        id: "smooth",
        formulas: &[
            "L = \\max \\left( \\LSE_{i \\ne y} z_i - z_y, \\, 0 \\right) , \\quad \\LSE_i a_i = \\log \\sum_i e^{a_i}",
            "\\max_{i \\ne y} z_i \\le \\LSE_{i \\ne y} z_i \\le \\max_{i \\ne y} z_i + \\log (C - 1)",
        ],
        axes: Some((["dot", "lse", "none", "hinge"], 1)),
        figures: &["smooth"],
        wrong: true,
    },
    Chapter {
        id: "entropy",
        formulas: &[
            "L = \\softplus \\left( \\LSE_{i \\ne y} z_i - z_y \\right) = -\\log \\frac{e^{z_y}}{\\sum_i e^{z_i}}",
            "\\frac{\\partial L}{\\partial z_y} = -(1 - p_y) , \\quad \\frac{\\partial L}{\\partial z_i} = p_i , \\quad p = \\softmax (z)",
        ],
        axes: Some((["dot", "lse", "none", "softplus"], 3)),
        figures: &["push"],
        wrong: true,
    },
    Chapter {
        id: "temperature",
        formulas: &[
            "L_T = T \\, \\softplus \\left( \\LSE_{i \\ne y} \\frac{z_i}{T} - \\frac{z_y}{T} \\right)",
        ],
        axes: Some((["dot", "lseT", "none", "softplusT"], 1)),
        figures: &["temperature", "growth"],
        wrong: true,
    },
    Chapter {
        id: "normalise",
        formulas: &[
            "L = -\\log \\frac{e^{s \\cos \\theta_y}}{\\sum_i e^{s \\cos \\theta_i}} , \\quad \\cos \\theta_i = \\frac{w_i \\cdot x}{|w_i| \\, |x|} , \\quad s = \\frac{1}{T}",
            "L \\ge \\log \\left( 1 + (C - 1) \\, e^{-s C / (C - 1)} \\right)",
        ],
        axes: Some((["cosine", "lse", "none", "softplus"], 0)),
        figures: &["scale"],
        wrong: true,
    },
    Chapter {
        id: "am-softmax",
        formulas: &[
            "L = -\\log \\frac{e^{s (\\cos \\theta_y - m)}}{e^{s (\\cos \\theta_y - m)} + \\sum_{i \\ne y} e^{s \\cos \\theta_i}}",
            "h \\le \\frac{L}{s} \\le h + \\frac{\\log C}{s} , \\quad h = \\max \\left( \\max_{i \\ne y} \\cos \\theta_i - \\cos \\theta_y + m, \\, 0 \\right)",
        ],
        axes: Some((["cosine", "lse", "cosineMargin", "softplus"], 2)),
        figures: &["curves", "circle"],
        wrong: true,
    },
    Chapter { id: "ranking", formulas: &[], axes: None, figures: &["ranking"], wrong: false },
    Chapter { id: "real", formulas: &[], axes: None, figures: &["features"], wrong: false },
    Chapter { id: "trained", formulas: &[], axes: None, figures: &["trained"], wrong: false },
    Chapter {
        id: "choose",
        formulas: &["s \\ge \\frac{1}{\\frac{C}{C - 1} - m} \\, \\log \\frac{(C - 1) \\, P}{1 - P}"],
        axes: None,
        figures: &["choose"],
        wrong: false,
    },
];

/// Renders the page in `language`, with a link to each other language of `available`.
///
/// # Errors
/// If a text or a static figure is missing, or a formula cannot be parsed. This is a bug in the crate, which its tests find.
pub fn render(
    language: Language,
    available: &[Language],
    features: &TrainedFeatures,
) -> Result<String, Error> {
    let texts = Texts::of(language)?;
    let chain = TrainedChain::shipped()?;
    let trained = Trained { features, chain: &chain };
    let mut html = String::with_capacity(1 << 20);
    let (title, description) = (texts.plain("page.title")?, texts.plain("page.description")?);
    add(
        &mut html,
        format_args!(
            "<!DOCTYPE html>\n<html lang=\"{}\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{title}</title>\n<meta name=\"description\" content=\"{description}\">\n\
         <link rel=\"icon\" href=\"data:,\">\n<style>\n{STYLE}</style>\n\
         <script>document.documentElement.classList.add(\"scripted\");</script>\n</head>\n<body>\n",
            language.tag()
        ),
    );
    add(&mut html, format_args!("{}", head(&texts, language, available)?));
    for (nth, chapter) in CHAPTERS.iter().enumerate() {
        add(&mut html, format_args!("{}", section(&texts, nth + 1, chapter, &trained)?));
    }
    add(
        &mut html,
        format_args!("{}</main>\n<footer>\n{}</footer>\n", family(&texts)?, texts.paragraphs("page.foot")?),
    );
    add(
        &mut html,
        format_args!(
            "<script type=\"application/json\" id=\"page-words\">{}</script>\n",
            json(&texts.below("live"))
        ),
    );
    add(
        &mut html,
        format_args!("<script type=\"application/json\" id=\"page-features\">{}</script>\n", json(features)),
    );
    add(
        &mut html,
        format_args!(
            "<script type=\"application/json\" id=\"page-chain\">{}</script>\n",
            json(&chain.for_page(&texts)?)
        ),
    );
    add(
        &mut html,
        format_args!(
            "<script type=\"module\">\n{}</script>\n</body>\n</html>\n",
            script::joined(SCRIPT_FILES)?
        ),
    );
    Ok(html)
}

/// JSON that is safe inside a `script` element.
fn json(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).expect("strings, numbers and lists serialise").replace('<', "\\u003c")
}

fn head(texts: &Texts, language: Language, available: &[Language]) -> Result<String, Error> {
    let mut html = format!("<a class=\"skip\" href=\"#main\">{}</a>\n<header>\n", texts.plain("page.skip")?);
    html.push_str("<div class=\"bar\"><span>widemargin</span><span class=\"tools\">");
    for other in available.iter().filter(|other| **other != language) {
        let name = escape(Texts::of(*other)?.raw("page.language")?);
        let (file, tag) = (other.file_name(), other.tag());
        add(
            &mut html,
            format_args!(
                "<a href=\"{file}\" data-language=\"{file}\" hreflang=\"{tag}\" lang=\"{tag}\">{name}</a>"
            ),
        );
    }
    add(
        &mut html,
        format_args!(
            "<button type=\"button\" class=\"button\" id=\"shade\" data-dark=\"{}\" data-light=\"{}\" hidden></button></span></div>\n",
            texts.plain("page.dark")?,
            texts.plain("page.light")?
        ),
    );
    add(
        &mut html,
        format_args!(
            "<h1>{}</h1>\n<p class=\"lead\">{}</p>\n",
            texts.line("page.heading")?,
            texts.line("page.lead")?
        ),
    );
    html.push_str(&texts.paragraphs("page.start")?);
    add(
        &mut html,
        format_args!("<nav aria-label=\"{}\"><ol class=\"contents\">\n", texts.plain("page.contents")?),
    );
    for (nth, chapter) in CHAPTERS.iter().enumerate() {
        let title = texts.line(&format!("chapter.{}.title", chapter.id))?;
        add(&mut html, format_args!("<li><a href=\"#{}\">{}. {title}</a></li>\n", chapter.id, nth + 1));
    }
    html.push_str("</ol></nav>\n</header>\n<main id=\"main\">\n");
    Ok(html)
}

fn section(texts: &Texts, number: usize, chapter: &Chapter, trained: &Trained<'_>) -> Result<String, Error> {
    let Chapter { id, formulas, axes, figures, wrong } = chapter;
    let key = |part: &str| format!("chapter.{id}.{part}");
    let step = texts.plain("page.step")?.replace("{n}", &number.to_string());
    let mut html = format!(
        "<section id=\"{id}\" aria-labelledby=\"{id}-title\">\n<h2 id=\"{id}-title\"><span class=\"step\">{step}</span>{}</h2>\n",
        texts.line(&key("title"))?
    );
    add(
        &mut html,
        format_args!(
            "<div class=\"aim\"><h3>{}</h3>\n{}</div>\n",
            texts.plain("page.aim")?,
            texts.paragraphs(&key("aim"))?
        ),
    );
    for formula in *formulas {
        // separate formulas, so that a narrow screen can wrap between them
        let parts = formula.split(" , \\quad ").map(|part| mathml(part, MathStyle::Display));
        add(
            &mut html,
            format_args!("<div class=\"formula\">{}</div>\n", parts.collect::<Result<String, _>>()?),
        );
    }
    if let Some((axes, new)) = axes {
        html.push_str("<dl class=\"axes\">");
        for (nth, (axis, choice)) in ["score", "pool", "margin", "link"].iter().zip(axes).enumerate() {
            let class = if nth == *new { " class=\"new\"" } else { "" };
            add(
                &mut html,
                format_args!(
                    "<dt>{}</dt><dd{class}>{}</dd>",
                    texts.plain(&format!("axes.{axis}"))?,
                    texts.plain(&format!("axes.{choice}"))?
                ),
            );
        }
        html.push_str("</dl>\n");
    }
    html.push_str(&texts.paragraphs(&key("text"))?);
    for name in *figures {
        html.push_str(&figure(texts, name, trained)?);
    }
    if *wrong {
        add(
            &mut html,
            format_args!(
                "<div class=\"wrong\"><h3>{}</h3>\n{}</div>\n",
                texts.plain("page.wrong")?,
                texts.paragraphs(&key("wrong"))?
            ),
        );
    }
    html.push_str("</section>\n");
    Ok(html)
}

fn figure(texts: &Texts, name: &str, trained: &Trained<'_>) -> Result<String, Error> {
    let text = |part: &str| texts.line(&format!("figure.{name}.{part}"));
    Ok(format!(
        "<figure id=\"figure-{name}\" aria-labelledby=\"figure-{name}-title\">\n<h3 id=\"figure-{name}-title\">{}</h3>\n\
         <p class=\"try live\">{}</p>\n<div class=\"live\" data-figure=\"{name}\"></div>\n<div class=\"plain\">\n{}</div>\n\
         <figcaption><p class=\"live\">{}</p><p class=\"unscripted\">{}</p></figcaption>\n</figure>\n",
        text("title")?,
        text("try")?,
        plain::figures(name, texts, trained)?.concat(),
        text("caption")?,
        plain::caption(name, texts)?
    ))
}

/// The table of the chain: the choice on each of the four axes per chapter.
fn family(texts: &Texts) -> Result<String, Error> {
    let mut html = format!(
        "<section id=\"family\" aria-labelledby=\"family-title\">\n<h2 id=\"family-title\">{}</h2>\n{}<div class=\"formula\">{}</div>\n",
        texts.line("family.title")?,
        texts.paragraphs("family.text")?,
        mathml(
            "L = \\link \\left( \\pool_{i \\ne y} (\\score_i) - (\\score_y - \\margin) \\right)",
            MathStyle::Display
        )?
    );
    add(
        &mut html,
        format_args!(
            "<div class=\"scroll\" tabindex=\"0\" role=\"region\" aria-label=\"{}\"><table>\n<thead><tr>",
            texts.plain("family.table")?
        ),
    );
    for heading in ["family.step", "axes.score", "axes.pool", "axes.margin", "axes.link"] {
        add(&mut html, format_args!("<th scope=\"col\">{}</th>", texts.plain(heading)?));
    }
    html.push_str("</tr></thead>\n<tbody>\n");
    for chapter in CHAPTERS {
        let Some((axes, _)) = &chapter.axes else { continue };
        let title = texts.line(&format!("chapter.{}.title", chapter.id))?;
        add(&mut html, format_args!("<tr><th scope=\"row\"><a href=\"#{}\">{title}</a></th>", chapter.id));
        for choice in axes {
            add(&mut html, format_args!("<td>{}</td>", texts.plain(&format!("axes.{choice}"))?));
        }
        html.push_str("</tr>\n");
    }
    html.push_str("</tbody></table></div>\n</section>\n");
    Ok(html)
}
