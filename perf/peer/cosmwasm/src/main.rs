// SPDX-License-Identifier: Apache-2.0
//! Messages to contracts in CosmWasm's engine, one thread: counters, of which each is an instance of
//! the contract beside this file and a table of its own, kept from message to message. A chain makes
//! an instance anew for each message: this is as kind as can be.
//!
//! peer-cosmwasm CONTRACT MESSAGES    prints: messages seconds
use cosmwasm_vm::testing::{mock_env, mock_info, mock_instance_with_gas_limit};
use cosmwasm_vm::{call_execute_raw, call_instantiate_raw, to_vec};

const PROGRAMS: u64 = 100;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let contract = std::fs::read(&arguments[1]).expect("a contract");
    let messages: u64 = arguments[2].parse().expect("a number of messages");
    let env = to_vec(&mock_env()).unwrap();
    let info = to_vec(&mock_info("user", &[])).unwrap();
    let mut programs: Vec<_> = (0..PROGRAMS)
        .map(|_| {
            let mut program = mock_instance_with_gas_limit(&contract, u64::MAX / 1_000_000_000);
            let answer = call_instantiate_raw(&mut program, &env, &info, b"{}").unwrap();
            assert!(answer.starts_with(b"{\"ok\""));
            program
        })
        .collect();
    let mut run = |count: u64| {
        for i in 0..count {
            let program = &mut programs[(i * 7919 % PROGRAMS) as usize];
            let answer = call_execute_raw(program, &env, &info, b"{}").unwrap();
            assert!(answer.starts_with(b"{\"ok\""));
        }
    };
    run(messages / 10 + 1); // warm-up
    let begin = std::time::Instant::now();
    run(messages);
    println!("{} {:.6}", messages, begin.elapsed().as_secs_f64());
}
