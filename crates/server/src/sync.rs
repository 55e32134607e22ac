//! The lock used on the data path, exchanged for a model-checked one under `--cfg loom`.

#[cfg(not(loom))]
pub(crate) use parking_lot::Mutex;

/// A loom mutex with the interface of the real one.
#[cfg(loom)]
pub(crate) struct Mutex<T>(loom::sync::Mutex<T>);

#[cfg(loom)]
impl<T> Mutex<T> {
    pub(crate) fn new(value: T) -> Self {
        Mutex(loom::sync::Mutex::new(value))
    }

    pub(crate) fn lock(&self) -> loom::sync::MutexGuard<'_, T> {
        self.0
            .lock()
            .expect("no test panics while it holds the lock")
    }
}
