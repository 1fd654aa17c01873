//! Streams that stay open: each user has so many at one time, and no more.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use axum::http::StatusCode;

use super::Caller;
use crate::error::Refusal;

/// Open streams of one user.
const SEATS_MAX: usize = 20;

#[derive(Clone, Default)]
pub(super) struct Seats(Arc<Mutex<HashMap<String, usize>>>);

/// Held by a stream as long as it lasts.
pub(crate) struct Seat {
    seats: Seats,
    name: String,
}

impl super::Door {
    /// A place for one more stream of this caller.
    ///
    /// # Errors
    /// If all are taken.
    pub(crate) fn seat(&self, caller: &Caller) -> Result<Seat, Refusal> {
        self.seats.take(&caller.name)
    }
}

impl Seats {
    fn take(&self, name: &str) -> Result<Seat, Refusal> {
        let mut taken = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = taken.entry(name.to_owned()).or_default();
        if *count >= SEATS_MAX {
            return Err(Refusal::new(
                StatusCode::TOO_MANY_REQUESTS,
                "TOO_MANY_STREAMS",
                format!("{name} has {SEATS_MAX} open streams already; close one"),
            ));
        }
        *count += 1;
        Ok(Seat {
            seats: self.clone(),
            name: name.to_owned(),
        })
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut taken = self.seats.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = taken.get_mut(&self.name) {
            *count -= 1;
            if *count == 0 {
                taken.remove(&self.name);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_has_so_many_and_gets_them_back() {
        let seats = Seats::default();
        let mut held: Vec<Seat> = (0..SEATS_MAX)
            .map(|_| seats.take("a").ok().unwrap())
            .collect();
        assert!(seats.take("a").is_err() && seats.take("b").is_ok());
        held.pop();
        held.push(seats.take("a").ok().unwrap());
        drop(held);
        assert!(seats.0.lock().unwrap().is_empty());
    }
}
