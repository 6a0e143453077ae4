//! Different emoji that a vendor draws alike.

use crate::classes::Class;
use crate::drawing::Drawing;
use rayon::prelude::*;
use std::collections::{BTreeMap, HashMap};

/// Drawings of one vendor whose values differ by less, of 255 on average, are the same.
const SAME: f64 = 1.0;

/// Emoji that at least so many vendors draw alike are one class: the first of them.
const VENDORS_ALIKE: usize = 2;

/// Merges classes that several vendors draw alike, and removes drawings that a single vendor has twice: nobody can tell them apart.
pub fn remove(classes: &[Class], drawings: &mut [BTreeMap<usize, Drawing>], vendors: usize) {
    let pairs: Vec<(usize, usize, usize)> = (0..vendors)
        .into_par_iter()
        .flat_map(|vendor| {
            let own: Vec<(usize, &Drawing)> =
                drawings.iter().enumerate().filter_map(|(class, all)| Some((class, all.get(&vendor)?))).collect();
            let alike = |at: usize| {
                let (class, drawing) = own[at];
                let later = own[at + 1..].iter().filter(move |(_, other)| drawing.distance(other) < SAME);
                later.map(move |(other, _)| (class, *other, vendor)).collect::<Vec<_>>()
            };
            (0..own.len()).flat_map(alike).collect::<Vec<_>>()
        })
        .collect();
    let mut alike: BTreeMap<(usize, usize), Vec<usize>> = BTreeMap::new();
    for (first, second, vendor) in pairs {
        alike.entry((first, second)).or_default().push(vendor);
    }
    let mut into: HashMap<usize, usize> = HashMap::new();
    let (mut merged, mut removed) = (0, 0);
    for ((first, second), vendors) in &alike {
        let root = |mut class: usize| {
            while let Some(next) = into.get(&class) {
                class = *next;
            }
            class
        };
        let (first_root, second_root) = (root(*first), root(*second));
        if first_root == second_root {
            continue;
        }
        if vendors.len() >= VENDORS_ALIKE {
            println!("merged: {} into {}", classes[*second].name, classes[*first].name);
            let (from, to) = (first_root.max(second_root), first_root.min(second_root));
            into.insert(from, to);
            merged += 1;
            let more = std::mem::take(&mut drawings[from]);
            for (vendor, drawing) in more {
                drawings[to].entry(vendor).or_insert(drawing);
            }
        }
    }
    for ((first, second), vendors) in &alike {
        if vendors.len() < VENDORS_ALIKE {
            for vendor in vendors {
                for class in [first, second] {
                    removed += usize::from(drawings[*class].remove(vendor).is_some());
                }
            }
        }
    }
    println!("{merged} classes merged into others, {removed} drawings removed");
}
