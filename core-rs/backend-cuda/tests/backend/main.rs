//! The backend through its trait: on an emulated device, or on a GPU with the feature `gpu`.

mod adapters;
mod ahead;
mod architectures;
mod common;
#[cfg(not(feature = "gpu"))]
mod emulation;
mod engine;
mod invariance;
mod loading;
mod number_formats;
#[cfg(not(feature = "gpu"))]
mod products;
mod ragged;
mod steps;
