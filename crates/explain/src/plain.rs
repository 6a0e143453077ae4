//! The static figures for readers without scripts, computed with the crate `widemargin-objective`.
//!
//! One or two of them take the place of each live figure. They show the initial settings of the live figure, or several
//! settings side by side.

use std::f64::consts::{PI, TAU};

use widemargin_objective::suggest::{loss_floor, margin_bound};
use widemargin_objective::{Link, Margin, Objective, Pool, Score, suggest};
use widemargin_report::figure::{
    BarSeries, Bars, ClassFeatures, FeatureFigure, FeaturePanel, LineChart, Series, ValueScale, bars,
    feature_circle, feature_sphere, line_chart, without_tips,
};

use crate::chain::{QUESTIONS, TrainedChain};
use crate::descent::{Descent, Problem};
use crate::texts::Texts;
use crate::{Error, FeatureRun, TrainedFeatures};

type Drawn = Result<Vec<String>, Error>;

/// What was trained in advance, for the figures that show it.
pub(crate) struct Trained<'a> {
    pub(crate) features: &'a TrainedFeatures,
    pub(crate) chain: &'a TrainedChain,
}

/// The static figures that replace the live figure `name`.
pub(crate) fn figures(name: &str, texts: &Texts, trained: &Trained<'_>) -> Drawn {
    let figures = drawn(name, texts, trained)?;
    Ok(figures.iter().map(|svg| without_tips(svg)).collect())
}

fn drawn(name: &str, texts: &Texts, trained: &Trained<'_>) -> Drawn {
    match name {
        "plane" => plane(texts),
        "explode" => explode(texts),
        "descent" => descent(texts),
        "smooth" => smooth(texts),
        "push" => push(texts),
        "temperature" => temperature(texts),
        "growth" => growth(texts),
        "scale" => scale(texts),
        "curves" => curves(texts),
        "circle" => circle(texts),
        "ranking" => ranking(texts),
        "features" => real(texts, trained.features),
        "trained" => learnt(texts, trained.chain),
        "choose" => choose(texts),
        _ => Err(Error::Template(format!("no static figure for '{name}'"))),
    }
}

/// The caption of the static figures that replace the live figure `name`, as HTML.
pub(crate) fn caption(name: &str, texts: &Texts) -> Result<String, Error> {
    let parts: &[&str] = if name == "circle" { &["circle", "room"] } else { &[name] };
    let parts = parts.iter().map(|part| texts.plain(&format!("plain.{part}.description")));
    Ok(parts.collect::<Result<Vec<_>, _>>()?.join(" "))
}

fn built(builder: widemargin_objective::ObjectiveBuilder) -> Objective {
    builder.build().expect("the settings of the static figures are in range")
}

fn tempered(temperature: f64) -> Objective {
    built(Objective::family().pool(Pool::log_sum_exp_at(temperature)).link(Link::softplus_at(temperature)))
}

fn lead(pool: Pool) -> Objective {
    built(Objective::family().margin(Margin::additive(1.0)).pool(pool).link(Link::hinge()))
}

fn name(texts: &Texts, objective: &str) -> Result<String, Error> {
    texts.raw(&format!("live.common.{objective}")).map(str::to_owned)
}

/// The function at `steps + 1` points from `low` to `high`.
fn curve(low: f64, high: f64, steps: usize, value: impl Fn(f64) -> f64) -> Vec<(f64, f64)> {
    let at = |step: usize| low + (high - low) * step as f64 / steps as f64;
    (0..=steps).map(|step| (at(step), value(at(step)))).collect()
}

fn loss_of(objective: &Objective, scores: &[f64]) -> f64 {
    objective.row(&mut scores.to_vec(), 0).loss
}

fn push_of(objective: &Objective, scores: &[f64]) -> f64 {
    objective.row(&mut scores.to_vec(), 0).push
}

/// A line chart with the texts `plain.KEY.title`, `description`, `x` and `y`.
fn chart(texts: &Texts, key: &str, scale: ValueScale, series: Vec<(String, Vec<(f64, f64)>)>) -> Drawn {
    let text = |part: &str| texts.raw(&format!("plain.{key}.{part}")).map(str::to_owned);
    Ok(vec![line_chart(&LineChart {
        title: text("title")?,
        description: text("description")?,
        x_label: text("x")?,
        y_label: text("y")?,
        scale,
        series: series.into_iter().map(|(name, points)| Series { name, points }).collect(),
    })])
}

fn plane(texts: &Texts) -> Drawn {
    let members = [
        ("hinge-sum", Objective::hinge_sum()),
        ("hinge-sum-margin", lead(Pool::hinge_sum())),
        ("softmax", Objective::softmax()),
        ("tempered-softmax", tempered(0.25)),
    ];
    let series = members.into_iter().map(|(objective, member)| {
        Ok((name(texts, objective)?, curve(-3.0, 3.0, 120, |lead| loss_of(&member, &[0.0, lead]))))
    });
    chart(texts, "plane", ValueScale::FromZero, series.collect::<Result<_, Error>>()?)
}

/// Scores before training: the target at 0, the non-target classes evenly spaced between -1 and 1.
fn untrained(classes: usize) -> Vec<f64> {
    let competitors = classes - 1;
    let place = |nth: usize| -1.0 + 2.0 * (nth as f64 + 0.5) / competitors as f64;
    std::iter::once(0.0).chain((0..competitors).map(place)).collect()
}

fn explode(texts: &Texts) -> Drawn {
    let half = |pool, link| built(Objective::family().margin(Margin::additive(0.5)).pool(pool).link(link));
    let members = [
        ("hinge-sum-margin", half(Pool::hinge_sum(), Link::hinge())),
        ("hinge-max", half(Pool::max(), Link::hinge())),
        ("softplus-lse", half(Pool::log_sum_exp(), Link::softplus())),
    ];
    let series = members.into_iter().map(|(objective, member)| {
        let push = |classes: f64| push_of(&member, &untrained(classes as usize));
        Ok((name(texts, objective)?, curve(2.0, 1002.0, 50, push)))
    });
    chart(texts, "explode", ValueScale::Log, series.collect::<Result<_, Error>>()?)
}

fn descent(texts: &Texts) -> Drawn {
    let problem = Problem::many(30);
    let members = [
        ("hinge-sum-margin", lead(Pool::hinge_sum())),
        ("hinge-max", lead(Pool::max())),
        ("softmax", Objective::softmax()),
    ];
    let series = members.into_iter().map(|(objective, member)| {
        let steps = Descent::new(&problem, member, 0.6 * 30.0).take(61);
        let accuracy = steps.enumerate().map(|(step, at)| (step as f64, 100.0 * at.accuracy));
        Ok((name(texts, objective)?, accuracy.collect()))
    });
    chart(texts, "descent", ValueScale::FromZero, series.collect::<Result<_, Error>>()?)
}

fn smooth(texts: &Texts) -> Drawn {
    // with the target equal to the largest competitor, the loss is exactly the gap
    let spread = |count: f64| {
        let count = count as usize;
        let place = |nth: usize| if count == 1 { 0.0 } else { -1.5 * nth as f64 / (count - 1) as f64 };
        let scores: Vec<f64> = std::iter::once(0.0).chain((0..count).map(place)).collect();
        loss_of(&Objective::lse_hinge(), &scores)
    };
    let text = |key: &str| texts.raw(key).map(str::to_owned);
    let series = vec![
        (text("live.smooth.gapLine")?, curve(1.0, 200.0, 199, spread)),
        (text("live.smooth.bound")?, curve(1.0, 200.0, 199, f64::ln)),
    ];
    chart(texts, "smooth", ValueScale::FromZero, series)
}

fn push(texts: &Texts) -> Drawn {
    let mut gradient = [2.0, 1.6, 1.4, 0.3, -1.0, -2.0];
    Objective::softmax().row(&mut gradient, 0);
    let text = |key: &str| texts.raw(key).map(str::to_owned);
    let competitor = text("live.push.competitor")?;
    let named = (1..gradient.len()).map(|nth| format!("{competitor} {nth}"));
    Ok(vec![bars(&Bars {
        title: text("plain.push.title")?,
        description: text("plain.push.description")?,
        value_label: text("plain.push.x")?,
        categories: std::iter::once(text("live.push.target")?).chain(named).collect(),
        series: vec![BarSeries {
            name: String::new(),
            values: gradient.iter().map(|slope| -slope).collect(),
        }],
        percent: false,
    })])
}

fn temperature(texts: &Texts) -> Drawn {
    let series = [0.05, 1.0, 4.0].map(|temperature| {
        let member = tempered(temperature);
        let loss = |target| loss_of(&member, &[target, 1.6, 1.4, -1.0]);
        (format!("T = {temperature}"), curve(-2.0, 6.0, 160, loss))
    });
    chart(texts, "temperature", ValueScale::FromZero, series.into())
}

fn growth(texts: &Texts) -> Drawn {
    let problem = Problem::three();
    let series = [0.25, 1.0, 4.0].map(|temperature| {
        let steps = Descent::new(&problem, tempered(temperature), 2.0).take(121);
        let effective = steps.enumerate().map(|(step, at)| (step as f64, temperature / at.centre_norm));
        (format!("T = {temperature}"), effective.collect())
    });
    chart(texts, "growth", ValueScale::Log, series.into())
}

fn scale(texts: &Texts) -> Drawn {
    let series =
        [(10, "10"), (1_000, "10³"), (100_000, "10⁵"), (1_000_000, "10⁶")].map(|(classes, written)| {
            (format!("C = {written}"), curve(0.0, 60.0, 120, |scale| loss_floor(classes, scale, 0.0)))
        });
    chart(texts, "scale", ValueScale::Log, series.into())
}

fn curves(texts: &Texts) -> Drawn {
    let members = [
        ("normalized-softmax", Margin::none()),
        ("am-softmax", Margin::additive_cosine(0.35)),
        ("arcface", Margin::additive_angle(0.5)),
        ("sphereface", Margin::multiplicative_angle(4)),
        ("combined-margin", Margin::combined(1.0, 0.3, 0.2)),
    ];
    let series = members.into_iter().map(|(objective, margin)| {
        let member = built(Objective::family().score(Score::cosine(1.0)).margin(margin));
        // the lead of a competitor at cosine 0 is minus the target's score after the margin
        let target = |degrees: f64| -member.row(&mut [degrees.to_radians().cos(), 0.0], 0).pooled_lead;
        Ok((name(texts, objective)?, curve(0.0, 180.0, 180, target)))
    });
    chart(texts, "curves", ValueScale::Fitted, series.collect::<Result<_, Error>>()?)
}

fn unit(angle: f64) -> [f64; 2] {
    [angle.cos(), angle.sin()]
}

/// Angles of evenly spaced centres on the circle, the first at the top.
fn even(classes: usize) -> impl Fn(usize) -> f64 {
    move |class| PI / 2.0 + TAU * class as f64 / classes as f64
}

fn circle(texts: &Texts) -> Drawn {
    let text = |part: &str| texts.raw(&format!("plain.circle.{part}")).map(str::to_owned);
    let named = texts.raw("plain.circle.class")?;
    let panels = [2, 3].into_iter().flat_map(|classes| [0.0, 0.35].map(|margin| (classes, margin)));
    let panels = panels.map(|(classes, margin)| {
        let member =
            built(Objective::family().score(Score::cosine(10.0)).margin(Margin::additive_cosine(margin)));
        let centre = even(classes);
        let met = |class: usize, angle: f64| {
            let mut cosines: Vec<f64> = (0..classes).map(|other| (angle - centre(other)).cos()).collect();
            member.row(&mut cosines, class).margin_met
        };
        let of_class = |class: usize| ClassFeatures {
            name: format!("{named} {}", class + 1),
            points: (0..240)
                .map(|step| TAU * (f64::from(step) + 0.5) / 240.0)
                .filter(|angle| met(class, *angle))
                .map(unit)
                .collect(),
            centre: Some(unit(centre(class))),
        };
        FeaturePanel {
            name: format!("C = {classes}, m = {margin}"),
            classes: (0..classes).map(of_class).collect(),
        }
    });
    let regions = feature_circle(&FeatureFigure {
        title: text("title")?,
        description: text("description")?,
        panels: panels.collect(),
    });
    let bound = |key: &str| texts.raw(&format!("live.circle.{key}")).map(str::to_owned);
    let counts = |dim: &dyn Fn(usize) -> usize| {
        (2..=12).map(|classes| (classes as f64, margin_bound(classes, dim(classes)).largest)).collect()
    };
    let room = chart(
        texts,
        "room",
        ValueScale::FromZero,
        vec![(bound("boundPlane")?, counts(&|_| 2)), (bound("boundSimplex")?, counts(&|classes| classes))],
    )?;
    Ok(std::iter::once(regions).chain(room).collect())
}

fn ranking(texts: &Texts) -> Drawn {
    const EACH: usize = 9;
    let text = |part: &str| texts.raw(&format!("plain.ranking.{part}")).map(str::to_owned);
    let centre = even(6);
    let member = built(Objective::family().score(Score::cosine(30.0)).margin(Margin::additive_cosine(0.35)));
    let place = |nth: usize| (2.0 * nth as f64 / (EACH - 1) as f64 - 1.0) * 27.0_f64.to_radians();
    let start: Vec<f64> = (0..6 * EACH).map(|at| centre(at / EACH) + place(at % EACH)).collect();
    let mut after = start.clone();
    for _ in 0..40 {
        for (at, angle) in after.iter_mut().enumerate() {
            let mut slopes: Vec<f64> = (0..6).map(|class| (*angle - centre(class)).cos()).collect();
            member.row(&mut slopes, at / EACH);
            let turn: f64 =
                slopes.iter().enumerate().map(|(class, slope)| -slope * (*angle - centre(class)).sin()).sum();
            *angle -= 0.02 * turn / 30.0;
        }
    }
    let class = text("class")?;
    let panel = |name: String, angles: &[f64]| FeaturePanel {
        name,
        classes: (0..6)
            .map(|nth| ClassFeatures {
                name: format!("{class} {}", nth + 1),
                points: angles[nth * EACH..(nth + 1) * EACH].iter().map(|angle| unit(*angle)).collect(),
                centre: Some(unit(centre(nth))),
            })
            .collect(),
    };
    Ok(vec![feature_circle(&FeatureFigure {
        title: text("title")?,
        description: text("description")?,
        panels: vec![panel(text("before")?, &start), panel(text("after")?, &after)],
    })])
}

fn real(texts: &Texts, features: &TrainedFeatures) -> Drawn {
    let text = |part: &str| texts.raw(&format!("plain.features.{part}")).map(str::to_owned);
    let figure = FeatureFigure {
        title: text("circle")?,
        description: text("description")?,
        panels: panels::<2>(texts, features)?,
    };
    let circles = feature_circle(&figure);
    let figure = FeatureFigure {
        title: text("sphere")?,
        description: text("description")?,
        panels: panels::<3>(texts, features)?,
    };
    Ok(vec![circles, feature_sphere(&figure)])
}

fn panels<const DIM: usize>(
    texts: &Texts,
    features: &TrainedFeatures,
) -> Result<Vec<FeaturePanel<DIM>>, Error> {
    let of_run = |run: &FeatureRun| {
        let objective = name(texts, &run.objective)?;
        let centres = FeatureRun::rows::<DIM>(&run.centres);
        let known = features.classes.iter().enumerate().filter(|(_, class)| !class.unseen);
        let classes = known.map(|(nth, class)| {
            Ok(ClassFeatures {
                name: texts.raw(&format!("live.features.class.{}", class.name)).map(str::to_owned)?,
                points: FeatureRun::rows(&run.points[nth]),
                centre: centres.get(nth).copied(),
            })
        });
        Ok(FeaturePanel {
            name: run.margin.map_or(objective.clone(), |margin| format!("{objective}, m = {margin}")),
            classes: classes.collect::<Result<_, Error>>()?,
        })
    };
    features.runs.iter().filter(|run| run.dim == DIM).map(of_run).collect()
}

/// Recall at 1 by epoch, a chart for each question.
fn learnt(texts: &Texts, chain: &TrainedChain) -> Drawn {
    let mut charts = Vec::new();
    for (question, names) in QUESTIONS {
        let series = names.iter().filter_map(|name| chain.run(name)).map(|run| {
            let points = run.recall.iter().enumerate().map(|(at, recall)| ((at + 1) as f64, *recall));
            Ok(Series { name: run.title(texts)?, points: points.collect() })
        });
        let text = |key: &str| texts.raw(key).map(str::to_owned);
        charts.push(line_chart(&LineChart {
            title: text(&format!("live.trained.about.{question}"))?,
            description: text("plain.trained.description")?,
            x_label: text("live.trained.epochs")?,
            y_label: text("plain.trained.y")?,
            scale: ValueScale::FromZero,
            series: series.collect::<Result<_, Error>>()?,
        }));
    }
    Ok(charts)
}

fn choose(texts: &Texts) -> Drawn {
    let text = |key: &str| texts.raw(&format!("live.choose.{key}")).map(str::to_owned);
    let of = |key: &dyn Fn(&suggest::Suggestion) -> Option<f64>| {
        curve(0.5, 6.0, 110, |power| {
            let classes = 10_f64.powf(power).round() as usize;
            let found = suggest::suggest(classes, 128, 0.99).expect("at least two classes in 128 dimensions");
            key(&found).unwrap_or(f64::NAN)
        })
    };
    let series = vec![
        (text("scale")?, of(&|found| Some(found.scale))),
        (text("leastWithout")?, of(&|found| Some(found.scale_without_margin))),
        (text("leastWith")?, of(&|found| found.scale_with_margin)),
    ];
    chart(texts, "choose", ValueScale::FromZero, series)
}
