//! Pair objectives as a whole: reference values, gradients against differences, properties, edges.

mod golden;
