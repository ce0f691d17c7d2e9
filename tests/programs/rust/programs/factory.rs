// SPDX-License-Identifier: Apache-2.0
//! factory: makes programs and speaks for them. Messages are SCALE.
//!
//! init    code: CodeId            of child.rs
//! handle  00 Make    { payload: Vec<u8> }            makes a child without waiting; replies 00
//!         01 MakeGas { payload: Vec<u8>, gas: u64 }  the same, its init with so much gas
//!         02 Await   { payload: Vec<u8> }            makes a child, waits for what its init replies
//!         03 Twins   { salt: u8 }                    makes two children of one salt, of which the
//!                                                    second is refused: their ids would be the same
//!         04 Other   { code: CodeId }                like Await, of another code
//!         05 Later   { payload: Vec<u8>, blocks: u32 }   like Make, its init delayed
//!         06 Tell    { child: u32, payload: Vec<u8> }    tells the n-th child made something,
//!                                                        counted from 0, and waits for its answer
//! reply   00                      done
//!         01 bytes: Vec<u8>       what the child said
//!         02 code: u32, bytes: Vec<u8>
//!                                 the child failed; the code is that of the error reply, its four
//!                                 bytes as they are
//!         03                      the engine refused
#![no_std]

use gstd::{
    ActorId, CodeId, Config, MessageId,
    errors::{CoreError, Error, ReplyCode},
    msg,
    prelude::*,
    prog::{self, ProgramGenerator},
};
use programs::State;

#[derive(Decode)]
#[codec(crate = gstd::codec)]
enum Order {
    Make { payload: Vec<u8> },
    MakeGas { payload: Vec<u8>, gas: u64 },
    Await { payload: Vec<u8> },
    Twins { salt: u8 },
    Other { code: CodeId },
    Later { payload: Vec<u8>, blocks: u32 },
    Tell { child: u32, payload: Vec<u8> },
}

#[derive(Encode)]
#[codec(crate = gstd::codec)]
enum Answer {
    Done,
    Said(Vec<u8>),
    Failed([u8; 4], Vec<u8>),
    Refused,
}

static CODE: State<CodeId> = State::new(CodeId::zero());
static CHILDREN: State<Vec<ActorId>> = State::new(Vec::new());

#[unsafe(no_mangle)]
extern "C" fn init() {
    Config::set_system_reserve(20_000_000).expect("more than 0");
    CODE.set(msg::load().expect("a code"));
}

fn made(result: Result<(MessageId, ActorId), CoreError>) -> Answer {
    match result {
        Ok((_, child)) => {
            CHILDREN.with(|all| all.push(child));
            Answer::Done
        }
        Err(_) => Answer::Refused,
    }
}

fn said(result: Result<Vec<u8>, Error>) -> Answer {
    match result {
        Ok(bytes) => Answer::Said(bytes),
        Err(Error::ErrorReply(payload, reason)) => {
            Answer::Failed(ReplyCode::Error(reason).to_bytes(), payload.0)
        }
        Err(_) => Answer::Refused,
    }
}

async fn awaited(code: CodeId, payload: &[u8]) -> Answer {
    match ProgramGenerator::create_program_bytes_for_reply(code, payload, 0, 0) {
        Ok(birth) => said(birth.await.map(|(child, bytes)| {
            CHILDREN.with(|all| all.push(child));
            bytes
        })),
        Err(_) => Answer::Refused,
    }
}

#[gstd::async_main]
async fn main() {
    let code = CODE.get();
    let answer = match msg::load().expect("an order") {
        Order::Make { payload } => made(ProgramGenerator::create_program_bytes(code, payload, 0)),
        Order::MakeGas { payload, gas } => {
            made(ProgramGenerator::create_program_bytes_with_gas(code, payload, gas, 0))
        }
        Order::Await { payload } => awaited(code, &payload).await,
        Order::Twins { salt } => {
            made(prog::create_program_bytes(code, [salt], "first", 0));
            made(prog::create_program_bytes(code, [salt], "second", 0))
        }
        Order::Other { code } => awaited(code, b"").await,
        Order::Later { payload, blocks } => {
            made(ProgramGenerator::create_program_bytes_delayed(code, payload, 0, blocks))
        }
        Order::Tell { child, payload } => {
            let child = CHILDREN.with(|all| all[child as usize]);
            said(msg::send_bytes_for_reply(child, payload, 0, 0).expect("a message").await)
        }
    };
    msg::reply(answer, 0).expect("a reply");
}
