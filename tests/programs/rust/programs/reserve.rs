// SPDX-License-Identifier: Apache-2.0
//! reserve: sets gas aside and uses it later; hears of its own failures. Messages are SCALE.
//!
//! handle  00 Reserve   { gas: u64, blocks: u32 }     replies 00, or 01 if it may not
//!         01 Send                   sends the source "from a reservation" on the first one left
//!         02 Reply                  replies "on a reservation" on the first one left
//!         03 Delayed   { blocks: u32 }    like Send, so many blocks later
//!         04 Unreserve              gives the first one left back; replies 00 and its gas as u64
//!         05 InOne     { gas: u64 } reserves and gives back at once; replies 00 and the gas
//!         06 Panic     { gas: u64 } reserves gas for a signal, then panics
//!         07 Burn      { gas: u64 } the same, then runs out of gas
//!         08 Calm      { gas: u64 } the same, then succeeds
//! handle_signal
//!         sends "signal N" to the source of init
#![no_std]

use core::hint::black_box;
use gstd::{ActorId, Reservation, exec, msg, prelude::*};
use programs::State;

#[derive(Decode)]
#[codec(crate = gstd::codec)]
enum Order {
    Reserve { gas: u64, blocks: u32 },
    Send,
    Reply,
    Delayed { blocks: u32 },
    Unreserve,
    InOne { gas: u64 },
    Panic { gas: u64 },
    Burn { gas: u64 },
    Calm { gas: u64 },
}

static OWNER: State<ActorId> = State::new(ActorId::zero());
static RESERVED: State<Vec<Reservation>> = State::new(Vec::new());

fn first() -> Reservation {
    RESERVED.with(|all| all.remove(0))
}

#[unsafe(no_mangle)]
extern "C" fn init() {
    OWNER.set(msg::source());
}

#[unsafe(no_mangle)]
extern "C" fn handle() {
    match msg::load().expect("an order") {
        Order::Reserve { gas, blocks } => {
            let result = Reservation::reserve(gas, blocks).map(|r| RESERVED.with(|all| all.push(r)));
            msg::reply(result.is_err(), 0)
        }
        Order::Send => msg::send_bytes_from_reservation(
            first().id(),
            msg::source(),
            "from a reservation",
            0,
        ),
        Order::Reply => msg::reply_bytes_from_reservation(first().id(), "on a reservation", 0),
        Order::Delayed { blocks } => msg::send_bytes_delayed_from_reservation(
            first().id(),
            msg::source(),
            "from a reservation, later",
            0,
            blocks,
        ),
        Order::Unreserve => msg::reply((false, first().unreserve().expect("gas")), 0),
        Order::InOne { gas } => {
            let reservation = Reservation::reserve(gas, 1).expect("a reservation");
            msg::reply((false, reservation.unreserve().expect("gas")), 0)
        }
        Order::Panic { gas } => {
            exec::system_reserve_gas(gas).expect("a reservation");
            panic!("to be heard of")
        }
        Order::Burn { gas } => {
            exec::system_reserve_gas(gas).expect("a reservation");
            loop {
                black_box(gas);
            }
        }
        Order::Calm { gas } => {
            exec::system_reserve_gas(gas).expect("a reservation");
            msg::reply_bytes("calm", 0)
        }
    }
    .expect("a message");
}

#[unsafe(no_mangle)]
extern "C" fn handle_signal() {
    let code = msg::signal_code().expect("a signal").expect("a known one").to_u32();
    assert_ne!(msg::signal_from().expect("a signal"), msg::id());
    msg::send_bytes(OWNER.get(), format!("signal {code}"), 0).expect("a message");
}
