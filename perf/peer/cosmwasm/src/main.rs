// SPDX-License-Identifier: Apache-2.0
//! Messages to contracts in CosmWasm's engine, one thread: counters, of which each is an instance of
//! the contract beside this file and a table of its own, kept from message to message. A chain makes
//! an instance anew for each message: this is as kind as can be.
//!
//! peer-cosmwasm CONTRACT MESSAGES    prints: messages seconds
use cosmwasm_vm::testing::{
    mock_env, mock_info, mock_instance_with_gas_limit, MockApi, MockQuerier, MockStorage,
};
use cosmwasm_vm::{call_execute_raw, call_instantiate_raw, to_vec, Instance, Storage};

const PROGRAMS: u64 = 100;

type Program = Instance<MockApi, MockStorage, MockQuerier>;

/// What a contract has counted; nothing before its first message.
fn sum_of(program: &mut Program) -> u64 {
    let stored = program
        .with_storage(|table| Ok(table.get(b"sum").0.unwrap()))
        .unwrap();
    stored.map_or(0, |bytes| u64::from_le_bytes(bytes.try_into().unwrap()))
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let contract = std::fs::read(&arguments[1]).expect("a contract");
    let messages: u64 = arguments[2].parse().expect("a number of messages");
    let env = to_vec(&mock_env()).unwrap();
    let info = to_vec(&mock_info("user", &[])).unwrap();
    let mut programs: Vec<Program> = (0..PROGRAMS)
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
    let warm_up = messages / 10 + 1;
    run(warm_up);
    let begin = std::time::Instant::now();
    run(messages);
    let took = begin.elapsed().as_secs_f64();
    let counted: u64 = programs.iter_mut().map(sum_of).sum();
    assert_eq!(counted, warm_up + messages);
    println!("{} {:.6}", messages, took);
}
