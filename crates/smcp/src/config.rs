//! Configuration: read once from flags, environment and file, in that order of precedence, one struct per concern.

mod client;
mod credentials;
mod defaults;
pub(crate) mod duration;
mod environment;
mod file;
mod layers;
mod node;
mod setting;

pub(crate) use client::{ClientSettings, key as parse_key};
pub(crate) use credentials::{forget_key, store_login};
pub(crate) use defaults::default_text;
pub(crate) use environment::Environment;
pub(crate) use file::ConfigFile;
pub(crate) use layers::{Flags, Layers};
pub(crate) use node::NodeSettings;
pub(crate) use setting::{ALL, Setting, Shape, Source};

#[cfg(test)]
mod tests;
