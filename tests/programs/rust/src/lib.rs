// SPDX-License-Identifier: Apache-2.0
//! What the programs have in common.
#![no_std]
