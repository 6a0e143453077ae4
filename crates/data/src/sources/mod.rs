//! What data is read from: image folders, manifests, tar shards, IDX files and tables of embeddings.
//!
//! [`source`] detects what a path names. The readers of images all produce a [`listing`].

mod class_folders;
mod derived_names;
pub(crate) mod folder;
pub(crate) mod folder_options;
pub(crate) mod idx;
pub(crate) mod idx_classes;
pub(crate) mod images;
pub(crate) mod listing;
mod manifest;
pub(crate) mod near_columns;
mod path_classes;
pub(crate) mod path_parts;
mod shard_classes;
mod shard_files;
mod shard_parts;
mod shards;
pub(crate) mod skipped;
pub(crate) mod source;
pub(crate) mod table;
pub(crate) mod walk;
