// SPDX-License-Identifier: Apache-2.0
//! What the programs have in common.
#![no_std]

use core::cell::UnsafeCell;

/// A static variable that a program changes. A program handles one message at a time, and there is
/// no borrow that a message that waits, and so never returns, could leave behind.
pub struct State<T>(UnsafeCell<T>);

// SAFETY: programs have one thread.
unsafe impl<T> Sync for State<T> {}

impl<T> State<T> {
    pub const fn new(value: T) -> Self {
        Self(UnsafeCell::new(value))
    }

    /// Calls `f` on the variable. `f` uses no other function of the same variable.
    pub fn with<R>(&self, f: impl FnOnce(&mut T) -> R) -> R {
        // SAFETY: one thread, and `f` does not come back here.
        f(unsafe { &mut *self.0.get() })
    }

    pub fn set(&self, value: T) {
        self.with(|v| *v = value);
    }

    pub fn get(&self) -> T
    where
        T: Copy,
    {
        self.with(|v| *v)
    }
}
