//! This machine's real container engine, and the images that tests start from.
//!
//! What a sandbox lets through only a real engine tells, so there is no fake of one. Where none answers, tests that need
//! it say so and are skipped; in CI, where `.ci/run` starts one, that is a failure.

mod engine;
mod image;

pub use engine::{Engine, engine, require};
pub use image::Image;
