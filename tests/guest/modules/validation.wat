;; SPDX-License-Identifier: Apache-2.0
;; Sign extension, which is newer than WebAssembly 1.0.
(module
  (import "env" "memory" (memory 2))
  (global $__stack_pointer (mut i32) (i32.const 65536))
  (global $end i32 (i32.const 65536))
  (export "__gear_stack_end" (global $end))
  (func (export "handle") (drop (i32.extend8_s (i32.const 1)))))
