//! Shuttle's `watch`, with the two constructors of tokio's that it lacks.

use std::ops::Deref;

use tokio::sync::watch;
pub use tokio::sync::watch::{Receiver, Ref};

#[derive(Debug)]
pub struct Sender<T>(watch::Sender<T>);

impl<T> Sender<T> {
    pub fn new(value: T) -> Self {
        Self(watch::channel(value).0)
    }
}

impl<T: Default> Default for Sender<T> {
    fn default() -> Self {
        Self::new(T::default())
    }
}

impl<T> Deref for Sender<T> {
    type Target = watch::Sender<T>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}
