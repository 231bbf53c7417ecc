//! Question in, answer out.
pub mod base_url;
pub mod egress;
pub mod lang;
pub mod secret;
pub mod settings;
pub use settings::Settings;
