// SPDX-License-Identifier: Apache-2.0
//! Messages to programs in Gear's gtest, one thread: the modules that `millrace bench` uploads, a
//! hundred messages a block.
//!
//! peer-gtest MODULE MESSAGES    prints: messages seconds
use gtest::{Program, System};

const PROGRAMS: u64 = 10;
const PER_BLOCK: u64 = 100;
const USER: u64 = 42;
const GAS: u64 = 5_000_000_000;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let messages: u64 = arguments[2].parse().expect("a number of messages");
    let system = System::new();
    system.mint_to(USER, 1 << 100);
    let programs: Vec<Program> = (0..PROGRAMS)
        .map(|_| Program::from_file(&system, &arguments[1]))
        .collect();
    for program in &programs {
        program.send_bytes(USER, []); // its init
    }
    system.run_next_block();
    let run = |count: u64| {
        let mut handled = 0;
        for i in 0..count {
            programs[(i % PROGRAMS) as usize].send_bytes_with_gas(USER, [], GAS, 0);
            if (i + 1) % PER_BLOCK == 0 || i + 1 == count {
                while system.queue_len() > 0 {
                    let block = system.run_next_block();
                    assert!(block.failed.is_empty());
                    handled += block.succeed.len() as u64;
                }
            }
        }
        assert_eq!(handled, count);
    };
    run(PER_BLOCK); // warm-up
    let begin = std::time::Instant::now();
    run(messages);
    println!("{} {:.6}", messages, begin.elapsed().as_secs_f64());
}
