//! A head that continues another one with other classes.

use std::mem::discriminant;

use widemargin_objective::{NORM_FLOOR, norm, normalise};

use crate::config::{HeadConfig, HeadMode};
use crate::error::Error;
use crate::head::Head;
use crate::state::{HeadState, HeadTensor, RATES};
use crate::storage::CENTRES;

/// Where the centres of a class come from in a head that continues another one.
#[derive(Clone, Debug, PartialEq)]
pub enum ClassOrigin {
    /// From this class of the earlier head, with the optimiser's memory of them.
    Kept(u32),
    /// A new class, whose centre points in this direction, of any length. If a class has several centres, the others keep the random directions
    /// that the head was created with.
    Direction(Vec<f32>),
    /// A new class, whose centres keep the random directions that the head was created with.
    Random,
}

impl Head {
    /// Continues `earlier` with the classes of this head, which has just been created.
    ///
    /// Kept classes have the centres of the earlier head and the optimiser's memory of them. New centres have the mean length of all earlier
    /// ones, and the optimiser's memory of them is zero. The number of steps is that of the earlier head. So are the running statistics and
    /// the learnt value of the objective, if both heads have the same objective. Settings and margins are those of this head.
    ///
    /// # Errors
    /// [`Error::OtherHead`] for another dimension; [`Error::OutOfRange`] unless there is one origin per class and both heads have as many centres
    /// per class; [`Error::Label`] for a class that the earlier head does not have; those of [`Head::from_state`] if its optimiser keeps another
    /// memory. On error the head is unchanged.
    pub fn inherit(&mut self, mut earlier: Self, origins: &[ClassOrigin]) -> Result<(), Error> {
        let (dim, per_class) = (self.dim(), self.sub_centres());
        if earlier.dim() != dim {
            let [found, expected] = [&earlier, self].map(|head| [head.classes(), head.dim()]);
            return Err(Error::OtherHead { found, expected });
        }
        if earlier.sub_centres() != per_class {
            let (setting, found) = ("centres per class of the earlier head", earlier.sub_centres() as f64);
            return Err(Error::OutOfRange { setting, found, expected: "as many as this head has" });
        }
        check_origins(origins, self.classes(), (earlier.classes(), dim))?;
        // What a mode keeps besides centres and memory, such as steps per row, is kept in the same mode.
        let mode = self.config.mode;
        let same_mode = discriminant(&mode) == discriminant(&earlier.config.mode);
        earlier.set_mode(if same_mode { mode } else { HeadMode::Dense })?;
        let length = mean_length(&earlier.centres(), dim);
        let mut state = earlier.state();
        state.tensors.iter_mut().filter(|tensor| tensor.name != RATES).for_each(|tensor| {
            let own = (tensor.name == CENTRES).then(|| self.centres());
            arrange(tensor, origins, per_class, own.as_deref().map(|own| (own, length)));
        });
        let mut objective = self.objective.clone();
        let mut learnt_memory = self.learnt_memory();
        if objective.name() == earlier.objective.name() {
            objective.commit(*earlier.objective.state())?;
            learnt_memory = earlier.learnt_memory();
        }
        let config = HeadConfig { mode: earlier.config.mode, ..self.config };
        let state = HeadState { classes: self.classes(), objective, learnt_memory, config, ..state };
        let mut head = Self::from_state(state)?;
        head.set_mode(mode)?;
        *self = head;
        Ok(())
    }
}

/// Checks that there is one origin per class, each of which can be followed.
pub(crate) fn check_origins(
    origins: &[ClassOrigin],
    classes: usize,
    (earlier, dim): (usize, usize),
) -> Result<(), Error> {
    if origins.len() != classes {
        let (setting, found) = ("number of origins", origins.len() as f64);
        return Err(Error::OutOfRange { setting, found, expected: "one per class" });
    }
    for (row, origin) in origins.iter().enumerate() {
        match origin {
            ClassOrigin::Kept(class) if *class as usize >= earlier => {
                return Err(Error::Label { row, found: *class, classes: earlier });
            }
            ClassOrigin::Direction(values) if values.len() != dim => {
                return Err(Error::Dimension { found: values.len(), expected: dim });
            }
            ClassOrigin::Direction(values) if !(norm(values) >= NORM_FLOOR && norm(values).is_finite()) => {
                return Err(Error::EmptyClass { class: row });
            }
            _ => {}
        }
    }
    Ok(())
}

/// Makes a tensor of an earlier head one of the classes with these origins. Rows of new classes are zero; with `own`, the random rows of the new
/// head and the length of its new centres, they are these, or the directions that are given.
pub(crate) fn arrange(
    tensor: &mut HeadTensor,
    origins: &[ClassOrigin],
    per_class: usize,
    own: Option<(&[f32], f32)>,
) {
    let [_, columns] = tensor.shape;
    let size = columns * per_class;
    let mut values = Vec::with_capacity(origins.len() * size);
    for (class, origin) in origins.iter().enumerate() {
        match (origin, own) {
            (ClassOrigin::Kept(kept), _) => {
                values.extend_from_slice(&tensor.values[*kept as usize * size..][..size]);
            }
            (_, None) => values.resize(values.len() + size, 0.0),
            (origin, Some((own, length))) => {
                let mut rows = own[class * size..][..size].to_vec();
                if let ClassOrigin::Direction(direction) = origin {
                    rows[..columns].copy_from_slice(direction);
                }
                for row in rows.chunks_mut(columns) {
                    normalise(row);
                    for value in row {
                        *value *= length;
                    }
                }
                values.extend(rows);
            }
        }
    }
    tensor.shape = [origins.len() * per_class, columns];
    tensor.values = values;
}

/// Mean length of the rows; 1 if all are zero.
pub(crate) fn mean_length(rows: &[f32], dim: usize) -> f32 {
    let sum: f64 = rows.chunks(dim).map(norm).sum();
    if sum > 0.0 { (sum / (rows.len() / dim) as f64) as f32 } else { 1.0 }
}
