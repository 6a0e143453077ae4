//! Every objective compared with the same loss composed of Burn's operations, which Burn differentiates: the value, and the
//! gradients of the features, of the centres or proxies, and of a learnt scale or bias.

use super::*;
use crate::parameters::{self, host_values};
use burn::tensor::activation::{log_softmax, relu};
use widemargin_objective::pairs::PairObjective;
use widemargin_objective::{BatchFacts, ClassObjective, Parameters, parameters};

/// For two computations in `f32` with scales up to 80.
const TOLERANCE: f32 = 3e-4;

/// Two samples of the classes 0 and 1, one of 2 and 3: with and without a positive in the batch.
const LABELS: [u32; 6] = [0, 3, 1, 1, 2, 0];
const CLASSES: usize = 4;
const DIM: usize = 3;

/// Exponentials of scores reduced by this are 0.
const FAR: f32 = 1e5;

/// The inputs of a composed loss.
struct Batch {
    features: Tensor<2>,
    /// Centres or proxies.
    weights: Tensor<2>,
    /// `[1, 1]`: a learnt scale or bias; 0 if there is none.
    learnt: Tensor<2>,
    /// `[samples, classes]`: 1 for the class of each sample.
    own: Tensor<2>,
    /// The random margins of ElasticFace, one per sample.
    drawn: Tensor<2>,
}

type Composed = fn(&Batch) -> Tensor<1>;

fn matrix(values: &[f32], rows: usize, device: &Device) -> Tensor<2> {
    Tensor::from_data(TensorData::new(values.to_vec(), [rows, values.len() / rows]), device)
}

fn filled(rows: usize, columns: usize, seed: u32, device: &Device) -> Tensor<2> {
    let mixed = |i: u32| (i.wrapping_add(seed).wrapping_mul(2_654_435_761) >> 8) % 2003;
    let values: Vec<f32> = (0..(rows * columns) as u32).map(|i| mixed(i) as f32 / 1001.0 - 1.0).collect();
    matrix(&values, rows, device)
}

fn lengths(x: &Tensor<2>) -> Tensor<2> {
    x.clone().powi_scalar(2).sum_dim(1).sqrt()
}

fn units(x: &Tensor<2>) -> Tensor<2> {
    x.clone() / lengths(x)
}

/// `ln(1 + e^x)`.
fn softplus<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    relu(x.clone()) + (-x.abs()).exp().log1p()
}

/// `ln sum e^x` over the entries of the last dimension where `mask` is 1; 0 if `mask` is 0 everywhere. The last dimension keeps
/// length 1.
fn log_sum_exp<const D: usize>(x: Tensor<D>, mask: Tensor<D>) -> Tensor<D> {
    let masked = x - (-mask.clone() + 1.0) * FAR;
    let largest = masked.clone().max_dim(D - 1).detach();
    let pooled = (masked - largest.clone()).exp().sum_dim(D - 1).log() + largest;
    pooled * mask.max_dim(D - 1)
}

/// The mean of `x` where `mask` is 1.
fn mean_where<const D: usize>(x: Tensor<D>, mask: Tensor<D>) -> Tensor<1> {
    let count = mask.clone().sum();
    (x * mask).sum() / count.clamp_min(1.0)
}

/// The mean of the positive entries of `x` where `mask` is 1.
fn mean_of_active<const D: usize>(x: Tensor<D>, mask: Tensor<D>) -> Tensor<1> {
    let active = x.clone().detach().greater_elem(0.0).float() * mask;
    mean_where(x, active)
}

/// `cos(t + m)`, and a straight line past `pi - m`; one `m` per sample.
fn turned(cosine: Tensor<2>, margin: &Tensor<2>) -> Tensor<2> {
    let sine = (cosine.clone().powi_scalar(2).neg() + 1.0).sqrt();
    let within = cosine.clone() * margin.clone().cos() - sine * margin.clone().sin();
    let line = cosine.clone() - margin.clone() * margin.clone().sin();
    within.mask_where(cosine.detach().lower(-margin.clone().cos()), line)
}

/// `psi(t) = (-1)^k cos(4 t) - 2 k`.
fn four_times(cosine: Tensor<2>) -> Tensor<2> {
    let angle = cosine.acos();
    let steps = (angle.clone().detach() * (4.0 / std::f32::consts::PI)).floor();
    let odd = steps.clone() - (steps.clone() / 2.0).floor() * 2.0;
    (angle * 4.0).cos() * (-odd * 2.0 + 1.0) - steps * 2.0
}

impl Batch {
    fn rows(&self) -> usize {
        self.own.dims()[0]
    }

    fn dots(&self) -> Tensor<2> {
        self.features.clone().matmul(self.weights.clone().transpose())
    }

    fn cosines(&self) -> Tensor<2> {
        units(&self.features).matmul(units(&self.weights).transpose())
    }

    fn target(&self, scores: &Tensor<2>) -> Tensor<2> {
        (scores.clone() * self.own.clone()).sum_dim(1)
    }

    fn others(&self) -> Tensor<2> {
        -self.own.clone() + 1.0
    }

    /// The scores, with that of the target class replaced by `target`.
    fn with_target(&self, scores: Tensor<2>, target: Tensor<2>) -> Tensor<2> {
        scores * self.others() + target * self.own.clone()
    }

    fn cross_entropy(&self, logits: Tensor<2>) -> Tensor<1> {
        -(log_softmax(logits, 1) * self.own.clone()).sum() / self.rows() as f32
    }

    /// `score_i - score_y + margin` for the non-target classes, 0 for the target class.
    fn leads(&self, margin: f32) -> Tensor<2> {
        let dots = self.dots();
        let target = self.target(&dots);
        (dots - target + margin) * self.others()
    }

    fn pooled_lead(&self) -> Tensor<2> {
        log_sum_exp(self.dots(), self.others()) - self.target(&self.dots())
    }

    fn scaled_cosines(&self, scale: f32, margin: f32) -> Tensor<1> {
        self.cross_entropy((self.cosines() - self.own.clone() * margin) * scale)
    }

    fn same(&self, value: f32) -> Tensor<2> {
        Tensor::<2>::zeros([self.rows(), 1], &self.own.device()) + value
    }

    fn arcface(&self, scale: f32, margin: Tensor<2>) -> Tensor<1> {
        let cosines = self.cosines();
        let target = turned(self.target(&cosines), &margin);
        self.cross_entropy(self.with_target(cosines, target) * scale)
    }

    /// `change` for the competitors whose cosine is above the target's under the margin.
    fn ahead_changed(
        &self,
        scale: f32,
        target: Tensor<2>,
        change: impl Fn(Tensor<2>) -> Tensor<2>,
    ) -> Tensor<1> {
        let cosines = self.cosines();
        let ahead = cosines.clone().detach().greater(target.clone().detach().expand(cosines.dims()));
        let changed = cosines.clone().mask_where(ahead, change(cosines));
        self.cross_entropy(self.with_target(changed, target) * scale)
    }
}

/// `[samples, samples]`: 1 for two different samples of the same class.
fn positives(batch: &Batch) -> Tensor<2> {
    let own = batch.own.clone();
    own.clone().matmul(own.transpose()) - Tensor::<2>::eye(batch.rows(), &batch.own.device())
}

fn negatives(batch: &Batch) -> Tensor<2> {
    let own = batch.own.clone();
    -own.clone().matmul(own.transpose()) + 1.0
}

fn between(batch: &Batch) -> Tensor<2> {
    let units = units(&batch.features);
    units.clone().matmul(units.transpose())
}

/// Euclidean distances of unit vectors; 1 for a sample with itself, where the root has no derivative.
fn distances(batch: &Batch) -> Tensor<2> {
    let itself = Tensor::<2>::eye(batch.rows(), &batch.own.device());
    (window(batch) * (-itself.clone() + 1.0) + itself).sqrt()
}

fn window(batch: &Batch) -> Tensor<2> {
    between(batch) * -2.0 + 2.0
}

/// `[anchor, positive, negative]` of two matrices `[anchor, other]`.
fn by_positive(x: Tensor<2>) -> Tensor<3> {
    x.unsqueeze_dim(2)
}

fn by_negative(x: Tensor<2>) -> Tensor<3> {
    x.unsqueeze_dim(1)
}

/// 1 for the rows of `mask` that contain a 1.
fn any(mask: Tensor<2>) -> Tensor<2> {
    mask.max_dim(1)
}

fn contrastive(of: Tensor<2>, batch: &Batch) -> Tensor<1> {
    mean_of_active(of.clone(), positives(batch)) + mean_of_active(-of + 1.0, negatives(batch))
}

const CLASS_LOSSES: &[(&str, Composed)] = &[
    ("hinge-sum", |b| relu(b.leads(0.0)).sum() / b.rows() as f32),
    ("hinge-sum-margin", |b| relu(b.leads(1.0)).sum() / b.rows() as f32),
    ("hinge-max", |b| relu(b.leads(0.0).max_dim(1)).sum() / b.rows() as f32),
    ("lse-hinge", |b| relu(b.pooled_lead()).sum() / b.rows() as f32),
    ("softplus-lse", |b| softplus(b.pooled_lead()).sum() / b.rows() as f32),
    ("softmax", |b| b.cross_entropy(b.dots())),
    ("tempered-softmax", |b| b.cross_entropy(b.dots() / 0.5) * 0.5),
    ("normalized-softmax", |b| b.scaled_cosines(30.0, 0.0)),
    ("am-softmax", |b| b.scaled_cosines(30.0, 0.35)),
    ("cosface", |b| b.scaled_cosines(64.0, 0.35)),
    ("arcface", |b| b.arcface(64.0, b.same(0.5))),
    ("sphereface", |b| {
        let cosines = b.cosines();
        let target = four_times(b.target(&cosines));
        b.cross_entropy(b.with_target(cosines, target) * lengths(&b.features))
    }),
    ("large-margin-softmax", |b| {
        let target = four_times(b.target(&b.cosines())) * lengths(&b.features);
        let own_length = b.own.clone().matmul(lengths(&b.weights));
        b.cross_entropy(b.with_target(b.dots(), target * own_length))
    }),
    ("combined-margin", |b| {
        // m1 = 2, and a straight line from -1 past 2 t + m2 = pi.
        let cosines = b.cosines();
        let cosine = b.target(&cosines);
        let end = ((std::f32::consts::PI - 0.3) / 2.0).cos();
        let past = cosine.clone().detach().lower_elem(end);
        let target = (cosine.clone().acos() * 2.0 + 0.3).cos().mask_where(past, cosine - end - 1.0) - 0.2;
        b.cross_entropy(b.with_target(cosines, target) * 64.0)
    }),
    ("sub-centre", |b| {
        let nearest = b.cosines().reshape([b.rows(), CLASSES, 3]).max_dim(2).reshape([b.rows(), CLASSES]);
        let target = turned(b.target(&nearest), &b.same(0.5));
        b.cross_entropy(b.with_target(nearest, target) * 64.0)
    }),
    ("curricularface", |b| {
        let target = b.target(&b.cosines());
        // The running mean starts at 0 and moves a hundredth towards the batch's mean.
        let running = (target.clone().detach().mean() * 0.01).reshape([1, 1]);
        b.ahead_changed(64.0, turned(target, &b.same(0.5)), |cosine| {
            cosine.clone() * (cosine + running.clone())
        })
    }),
    ("mv-softmax", |b| {
        let target = b.target(&b.cosines()) - 0.35;
        b.ahead_changed(32.0, target, |cosine| cosine * 1.2 + 0.2)
    }),
    ("adaface", |b| {
        // The running mean and deviation of the norms start at 20 and 100 and move by a hundredth.
        let norms = lengths(&b.features).detach();
        let mean = norms.clone().mean().reshape([1, 1]) * 0.01 + 0.99 * 20.0;
        let deviation = norms.clone().var(0).sqrt() * 0.01 + 0.99 * 100.0;
        let quality = ((norms - mean) / (deviation + 1e-3) * 0.333).clamp(-1.0, 1.0);
        let cosines = b.cosines();
        let angle = (b.target(&cosines).acos() - quality.clone() * 0.4).clamp(0.0, std::f32::consts::PI);
        let target = angle.cos() - (quality * 0.4 + 0.4);
        b.cross_entropy(b.with_target(cosines, target) * 64.0)
    }),
    ("magface", |b| {
        let norms = lengths(&b.features).clamp(1.0, 2.0);
        let margins = (norms.clone() - 1.0) * (0.8 - 0.45) + 0.45;
        let term = norms.clone() / 4.0 + norms.recip();
        b.arcface(64.0, margins) + term.mean() * 35.0
    }),
    ("elasticface-arc", |b| b.arcface(64.0, b.drawn.clone())),
    ("elasticface-cos", |b| {
        let cosines = b.cosines();
        b.cross_entropy((cosines - b.own.clone() * b.drawn.clone()) * 64.0)
    }),
    ("adacos", |b| b.scaled_cosines(2.0_f32.sqrt() * 3.0_f32.ln(), 0.0)),
    ("adacos-dynamic", |b| {
        let cosines = b.cosines().detach();
        let sums = (cosines.clone() * (2.0_f32.sqrt() * 3.0_f32.ln())).exp() * b.others();
        let average = host_values(sums.sum_dim(1).inner()).iter().sum::<f32>() / b.rows() as f32;
        let mut angles = host_values(b.target(&cosines).acos().inner());
        angles.sort_by(f32::total_cmp);
        let median = angles[(angles.len() - 1) / 2];
        let scale = average.ln() / median.min(std::f32::consts::FRAC_PI_4).cos();
        // the bounds of a dynamic scale
        b.scaled_cosines(scale.clamp(1.0, 1000.0), 0.0)
    }),
    ("normface", |b| b.cross_entropy(b.cosines() * b.learnt.clone())),
    ("inter-top-k", |b| {
        let cosines = b.cosines();
        let outside = cosines.clone().detach() - b.own.clone() * FAR;
        let second = outside.clone().topk(2, 1).narrow(1, 1, 1).expand(cosines.dims());
        let raised = outside.lower(second).float().neg() + 1.0;
        let changed = cosines.clone() + raised * 0.06;
        let target = b.target(&cosines) - 0.2;
        b.cross_entropy(b.with_target(changed, target) * 32.0)
    }),
    ("inter-class-filter", |b| {
        let cosines = b.cosines();
        let left_out = cosines.clone().detach().greater_elem(0.4).float() * FAR;
        let target = b.target(&cosines) - 0.35;
        b.cross_entropy(b.with_target((cosines - left_out) * 64.0, target * 64.0))
    }),
    ("sphereface2", |b| {
        let spread = ((b.cosines() + 1.0) / 2.0).powi_scalar(3) * 2.0 - 1.0;
        let learnt = b.learnt.clone();
        let own = softplus(-((spread.clone() - 0.4) * 40.0 + learnt.clone())) * b.own.clone() * 0.7;
        let others = softplus((spread + 0.4) * 40.0 + learnt) * b.others() * 0.3;
        (own + others).sum() / 40.0 / b.rows() as f32
    }),
];

const PAIR_LOSSES: &[(&str, Composed)] = &[
    ("contrastive", |b| contrastive(distances(b), b)),
    ("triplet-margin", |b| {
        let leads = by_positive(distances(b)) - by_negative(distances(b)) + 0.05;
        mean_of_active(leads, by_positive(positives(b)) * by_negative(negatives(b)))
    }),
    ("circle", |b| {
        let s = between(b);
        let pull = relu(-s.clone().detach() + 1.4);
        let push = relu(s.clone().detach() + 0.4);
        let plus = log_sum_exp(pull * (s.clone() - 0.6) * -80.0, positives(b));
        let minus = log_sum_exp(push * (s - 0.4) * 80.0, negatives(b));
        mean_of_active(softplus(plus + minus), any(positives(b)) * any(negatives(b)))
    }),
    ("multi-similarity", |b| {
        let (s, one) = (between(b), b.same(1.0));
        let with_one = |x: Tensor<2>, mask: Tensor<2>| {
            log_sum_exp(Tensor::cat(vec![x, b.same(0.0)], 1), Tensor::cat(vec![mask, one.clone()], 1))
        };
        let plus = with_one((s.clone() - 0.5) * -2.0, positives(b)) / 2.0;
        let minus = with_one((s - 0.5) * 50.0, negatives(b)) / 50.0;
        (plus + minus).sum() / b.rows() as f32
    }),
    ("nt-xent", |b| {
        let scores = between(b) / 0.07;
        let pooled = log_sum_exp(scores.clone(), negatives(b));
        mean_where(softplus(pooled - scores), positives(b))
    }),
    ("supcon", |b| {
        let scores = between(b) / 0.1;
        let all = positives(b) + negatives(b);
        let shares = (scores.clone() - log_sum_exp(scores, all)) * positives(b);
        let count = positives(b).sum_dim(1).clamp_min(1.0);
        mean_of_active(-shares.sum_dim(1) / count, any(positives(b)))
    }),
    ("lifted-structure", |b| {
        let plus = log_sum_exp(distances(b), positives(b));
        let minus = log_sum_exp(-distances(b) + 1.0, negatives(b));
        relu(plus + minus).sum() / b.rows() as f32
    }),
    ("angular", |b| {
        let tangent = 40.0_f32.to_radians().tan().powi(2);
        let units = units(&b.features);
        let along = units.matmul(b.features.clone().transpose());
        // [anchor, positive, negative]
        let sums: Tensor<3> = by_negative(along.clone()) + along.unsqueeze_dim::<3>(0);
        let exponents = sums * (4.0 * tangent) - by_positive(between(b)) * (2.0 * (1.0 + tangent));
        let rows = b.rows();
        let mask = by_negative(negatives(b)).expand([rows, rows, rows]);
        let pooled = log_sum_exp(exponents, mask).reshape([rows, rows]);
        mean_where(softplus(pooled), positives(b))
    }),
    ("signal-to-noise-ratio-contrastive", |b| {
        let units = units(&b.features);
        let centred = units.clone() - units.mean_dim(1);
        // [anchor, other, coordinate]
        let noise = centred.clone().unsqueeze_dim::<3>(1) - centred.clone().unsqueeze_dim::<3>(0);
        let signal = centred.powi_scalar(2).sum_dim(1);
        contrastive(noise.powi_scalar(2).sum_dim(2).reshape([b.rows(), b.rows()]) / signal, b)
    }),
    ("tuplet-margin", |b| {
        let s = between(b);
        let pooled = log_sum_exp(s.clone() * 64.0, negatives(b));
        // A sample with itself is masked; its angle has no derivative.
        let itself = Tensor::<2>::eye(b.rows(), &b.own.device());
        let slackened = ((s * (-itself + 1.0)).acos() - 5.73_f32.to_radians()).cos();
        mean_where(softplus(pooled - slackened * 64.0), positives(b))
    }),
    ("intra-pair-variance", |b| {
        let s = between(b);
        let mean = |mask: Tensor<2>| mean_where(s.clone(), mask).reshape([1, 1]);
        let below = relu(mean(positives(b)) * 0.99 - s.clone()).powi_scalar(2);
        let above = relu(s.clone() - mean(negatives(b)) * 1.01).powi_scalar(2);
        mean_where(below, positives(b)) + mean_where(above, negatives(b))
    }),
    ("fast-ap", |b| {
        let rows = b.rows();
        // [anchor, other, bin]
        let edges: Vec<f32> = (0..=10).map(|bin| bin as f32 * 0.4).collect();
        let edges = matrix(&edges, 1, &b.own.device()).unsqueeze_dim::<3>(0);
        let heights = relu(-((by_positive(window(b)) - edges).abs() / 0.4) + 1.0);
        let count = |mask: Tensor<2>| (heights.clone() * by_positive(mask)).sum_dim(1).reshape([rows, 11]);
        let (plus, minus) = (count(positives(b)), count(negatives(b)));
        let totals = (plus.clone() + minus).cumsum(1).clamp_min(1e-6);
        let precision = (plus.clone() * plus.cumsum(1) / totals).sum_dim(1);
        let own = positives(b).sum_dim(1).clamp_min(1.0);
        mean_where(-precision / own + 1.0, any(positives(b)))
    }),
    ("ranked-list", |b| {
        let constant = 1e-5 * b.rows() as f32;
        let mean = |excess: Tensor<2>, temperature: f32, mask: Tensor<2>| {
            let counted = mask * excess.clone().detach().greater_elem(0.0).float();
            let weights = (relu(excess.clone()) * temperature).exp() * counted;
            (weights.clone() * excess).sum_dim(1) / (weights.sum_dim(1) + constant)
        };
        let plus = mean(distances(b) - 0.8, 0.0, positives(b));
        let minus = mean(-distances(b) + 1.2, 10.0, negatives(b));
        (plus + minus).sum() * 0.5 / b.rows() as f32
    }),
    ("proxy-nca", |b| b.cross_entropy(b.cosines() * 2.0 - 2.0)),
    ("proxy-anchor", |b| {
        let s = b.cosines().transpose();
        let with_one = |x: Tensor<2>, mask: Tensor<2>| {
            let one = Tensor::<2>::ones([CLASSES, 1], &x.device());
            log_sum_exp(Tensor::cat(vec![x, one.clone() - 1.0], 1), Tensor::cat(vec![mask, one], 1))
        };
        let plus = with_one((s.clone() - 0.1) * -32.0, b.own.clone().transpose());
        let minus = with_one((s + 0.1) * 32.0, b.others().transpose());
        (plus + minus).sum() / CLASSES as f32
    }),
    ("soft-triple", |b| {
        let cosines = b.cosines().reshape([b.rows(), CLASSES, 10]);
        let shares = burn::tensor::activation::softmax(cosines.clone() / 0.1, 2);
        let scores = (shares * cosines).sum_dim(2).reshape([b.rows(), CLASSES]);
        b.cross_entropy((scores - b.own.clone() * 0.01) * 20.0)
    }),
];

/// Parameters whose defaults would have no effect with four classes and short features.
fn class_parameters(name: &str) -> Parameters {
    match name {
        "tempered-softmax" => parameters([("temperature", 0.5.into())]),
        "combined-margin" => parameters([("angle_multiplier", 2.0.into())]),
        "inter-top-k" => parameters([("count", 2.into())]),
        "magface" => parameters([("norms", vec![1.0, 2.0].into())]),
        _ => Parameters::new(),
    }
}

fn sorted<'a>(names: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut names: Vec<&str> = names.collect();
    names.sort_unstable();
    names
}

fn assert_close(what: &str, found: &[f32], expected: &[f32]) {
    assert_eq!(found.len(), expected.len(), "{what}");
    let largest = expected.iter().fold(1e-3_f32, |largest, value| largest.max(value.abs()));
    for (at, (found, expected)) in found.iter().zip(expected).enumerate() {
        let close = (found - expected).abs() <= TOLERANCE * largest;
        assert!(close, "{what}, entry {at}: {found}, composed {expected}");
    }
}

/// Compares the value and all gradients of a module with `composed`. The module's first parameter is `weights`, its second
/// `learnt`.
fn check(
    name: &str,
    module: &impl Module,
    forward: impl Fn(Tensor<2>) -> Tensor<1>,
    batch: Batch,
    composed: Composed,
) {
    let input = batch.features.clone().detach().require_grad();
    let ours = forward(input.clone());
    let batch = Batch {
        features: batch.features.detach().require_grad(),
        weights: batch.weights.detach().require_grad(),
        learnt: batch.learnt.detach().require_grad(),
        ..batch
    };
    let theirs = composed(&batch);
    assert_close(name, &host_values(ours.clone().inner()), &host_values(theirs.clone().inner()));
    // A factor on the loss must reach every gradient.
    let mut found = (ours * 3.0).backward();
    let expected = (theirs * 3.0).backward();
    let gradient = host_values(input.grad(&found).expect("tracked"));
    let of_features = host_values(batch.features.grad(&expected).expect("tracked"));
    assert!(of_features.iter().any(|value| *value != 0.0), "{name}: this batch tests nothing");
    assert_close(&format!("{name}: features"), &gradient, &of_features);
    let found = parameters::gradients(module, &mut found);
    let expected = [batch.weights.grad(&expected), batch.learnt.grad(&expected)];
    let expected: Vec<Vec<f32>> = expected.into_iter().flatten().map(host_values).collect();
    assert_eq!(found.len(), expected.len(), "{name}: parameters");
    for (at, (found, expected)) in found.iter().zip(&expected).enumerate() {
        assert_close(&format!("{name}: parameter {at}"), found, expected);
    }
}

fn one_hot(device: &Device) -> Tensor<2> {
    let mut values = [0.0f32; LABELS.len() * CLASSES];
    LABELS.iter().enumerate().for_each(|(row, label)| values[row * CLASSES + *label as usize] = 1.0);
    matrix(&values, LABELS.len(), device)
}

/// The random margins of the objective for its next batch.
fn drawn_margins(objective: &ClassObjective, device: &Device) -> Tensor<2> {
    let unknown = [1.0; LABELS.len()];
    let facts = BatchFacts {
        labels: &LABELS,
        feature_norms: &unknown,
        target_cosines: &unknown,
        log_partitions: None,
    };
    let points = objective.points(&facts).expect("in range");
    let margins: Vec<f32> = (0..LABELS.len()).map(|sample| points.point(sample).margin() as f32).collect();
    matrix(&margins, LABELS.len(), device)
}

#[test]
fn every_loss_on_class_centres_equals_the_composed_one() {
    let names = sorted(CLASS_LOSSES.iter().map(|(name, _)| *name));
    assert_eq!(names, sorted(ClassObjective::names()), "every name has its twin");
    let device = Device::flex().autodiff();
    for (name, composed) in CLASS_LOSSES {
        for seed in [1, 40] {
            let objective =
                ClassObjective::from_name(name, &class_parameters(name), CLASSES).expect("in range");
            let learnt = objective.learnt().map_or(0.0, |(_, value)| value as f32);
            let drawn = drawn_margins(&objective, &device);
            let objective = AnyObjective::Classes(Box::new(objective));
            let module = Loss::new(objective, CLASSES, DIM, 1, &device).expect("four classes");
            let batch = Batch {
                features: filled(LABELS.len(), DIM, seed, &device) * 2.0,
                weights: module.weights().expect("class centres"),
                learnt: matrix(&[learnt], 1, &device),
                own: one_hot(&device),
                drawn,
            };
            let forward = |x| module.forward(x, &LABELS).expect("finite");
            check(name, &module, forward, batch, *composed);
        }
    }
}

#[test]
fn every_loss_on_pairs_and_proxies_equals_the_composed_one() {
    let names = sorted(PAIR_LOSSES.iter().map(|(name, _)| *name));
    assert_eq!(names, sorted(PairObjective::names()), "every name has its twin");
    let device = Device::flex().autodiff();
    for (name, composed) in PAIR_LOSSES {
        for seed in [7, 90] {
            let objective = PairObjective::from_name(name, &Parameters::new()).expect("defaults");
            let objective = AnyObjective::Pairs(objective);
            let module = Loss::new(objective, CLASSES, DIM, 1, &device).expect("four classes");
            let weights = module.weights().unwrap_or_else(|| filled(1, 1, 1, &device));
            let batch = Batch {
                features: filled(LABELS.len(), DIM, seed, &device) * 2.0,
                weights,
                learnt: matrix(&[0.0], 1, &device),
                own: one_hot(&device),
                drawn: matrix(&[0.0], 1, &device),
            };
            let forward = |x| module.forward(x, &LABELS).expect("finite");
            check(name, &module, forward, batch, *composed);
        }
    }
}
