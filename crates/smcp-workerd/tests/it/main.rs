//! The supervisor against the real workerd.

mod calls;
mod life;
mod parent;
mod support;
mod trials;
mod wrapper;
