// SPDX-License-Identifier: Apache-2.0
//! token: fungible, with allowances. The source of init owns the right to mint. Messages are SCALE.
//!
//! init    name: String
//! handle  00 Mint         { to: ActorId, amount: u128 }     only the owner
//!         01 Burn         { amount: u128 }
//!         02 Transfer     { to: ActorId, amount: u128 }
//!         03 Approve      { spender: ActorId, amount: u128 }
//!         04 TransferFrom { from: ActorId, to: ActorId, amount: u128 }
//!         05 Balance      { of: ActorId }
//!         replies a u128: the balance asked for; for the others that of the account that lost or,
//!         for Mint, won; for Approve the amount
//! state   -               replies (name: String, total: u128, holders: u32)
//!
//! What happened is also told to the user of id 0, as an event with a limit of 0 gas:
//!         00 Transferred  { from: ActorId, to: ActorId, amount: u128 }    0 is nobody
//!         01 Approved     { owner: ActorId, spender: ActorId, amount: u128 }
//!
//! What is not allowed or not covered panics.
#![no_std]

use gstd::{
    ActorId,
    collections::{BTreeMap, HashMap},
    msg,
    prelude::*,
};
use programs::State;

#[derive(Decode)]
#[codec(crate = gstd::codec)]
enum Action {
    Mint { to: ActorId, amount: u128 },
    Burn { amount: u128 },
    Transfer { to: ActorId, amount: u128 },
    Approve { spender: ActorId, amount: u128 },
    TransferFrom { from: ActorId, to: ActorId, amount: u128 },
    Balance { of: ActorId },
}

#[derive(Encode)]
#[codec(crate = gstd::codec)]
enum Event {
    Transferred { from: ActorId, to: ActorId, amount: u128 },
    Approved { owner: ActorId, spender: ActorId, amount: u128 },
}

struct Token {
    name: String,
    owner: ActorId,
    total: u128,
    balances: BTreeMap<ActorId, u128>,
    allowances: HashMap<(ActorId, ActorId), u128>,
}

static TOKEN: State<Option<Token>> = State::new(None);

fn tell(event: Event) {
    msg::send_with_gas(ActorId::zero(), event, 0, 0).expect("an event");
}

impl Token {
    fn balance(&self, of: ActorId) -> u128 {
        self.balances.get(&of).copied().unwrap_or(0)
    }

    fn set(&mut self, of: ActorId, amount: u128) -> u128 {
        if amount == 0 {
            self.balances.remove(&of);
        } else {
            self.balances.insert(of, amount);
        }
        amount
    }

    /// Moves `amount`; from or to nobody changes the total. Returns what the one who lost has left,
    /// or what the receiver of new tokens has.
    fn move_tokens(&mut self, from: ActorId, to: ActorId, amount: u128) -> u128 {
        let mut left = 0;
        if from.is_zero() {
            self.total = self.total.checked_add(amount).expect("too many tokens");
        } else {
            left = self.balance(from).checked_sub(amount).expect("not that many tokens");
            self.set(from, left);
        }
        if to.is_zero() {
            self.total -= amount;
        } else {
            let has = self.balance(to) + amount;
            self.set(to, has);
            if from.is_zero() {
                left = has;
            }
        }
        tell(Event::Transferred { from, to, amount });
        left
    }

    fn act(&mut self, source: ActorId, action: Action) -> u128 {
        match action {
            Action::Mint { to, amount } => {
                assert_eq!(source, self.owner, "only the owner mints");
                assert!(!to.is_zero(), "to nobody");
                self.move_tokens(ActorId::zero(), to, amount)
            }
            Action::Burn { amount } => self.move_tokens(source, ActorId::zero(), amount),
            Action::Transfer { to, amount } => {
                assert!(!to.is_zero(), "to nobody");
                self.move_tokens(source, to, amount)
            }
            Action::Approve { spender, amount } => {
                self.allowances.insert((source, spender), amount);
                tell(Event::Approved { owner: source, spender, amount });
                amount
            }
            Action::TransferFrom { from, to, amount } => {
                assert!(!to.is_zero(), "to nobody");
                let allowed = self.allowances.entry((from, source)).or_default();
                *allowed = allowed.checked_sub(amount).expect("not allowed");
                self.move_tokens(from, to, amount)
            }
            Action::Balance { of } => self.balance(of),
        }
    }
}

#[unsafe(no_mangle)]
extern "C" fn init() {
    TOKEN.set(Some(Token {
        name: msg::load().expect("a name"),
        owner: msg::source(),
        total: 0,
        balances: BTreeMap::new(),
        allowances: HashMap::new(),
    }));
}

#[unsafe(no_mangle)]
extern "C" fn handle() {
    let action = msg::load().expect("an action");
    let answer = TOKEN.with(|t| t.as_mut().expect("a token").act(msg::source(), action));
    msg::reply(answer, 0).expect("a reply");
}

#[unsafe(no_mangle)]
extern "C" fn state() {
    TOKEN.with(|token| {
        let token = token.as_ref().expect("a token");
        msg::reply((&token.name, token.total, token.balances.len() as u32), 0).expect("a reply");
    });
}
