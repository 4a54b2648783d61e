/* SPDX-License-Identifier: Apache-2.0 */
/* prims_all.h - all lists of primitives; included with PRIM and CONTROL defined. */
#include "prims_control.def"
#include "prims_number.def"
#include "prims_char.def"
#include "prims_string.def"
#include "prims_random.def"
#include "prims_object.def"
#include "prims_array.def"
#include "prims_bytes.def"
#include "prims_dict.def"
#include "prims_weak.def"
#include "prims_promise.def"
#include "prims_atom.def"
#include "prims_table.def"
#include "prims_info.def"
#if __has_include("prims_class.def")
#include "prims_class.def"
#endif
#if __has_include("prims_compiler.def")
#include "prims_compiler.def"
#endif
#if __has_include("prims_process.def")
#include "prims_process.def"
#endif
#include "prims_group.def"
#include "prims_link.def"
#include "prims_call.def"
#include "prims_mailbox.def"
#include "prims_receive.def"
#include "prims_timer.def"
#include "prims_trace.def"
#include "prims_cancel.def"
#include "prims_channel.def"
#include "prims_sync.def"
#if __has_include("prims_system.def")
#include "prims_system.def"
#endif
#if __has_include("prims_file.def")
#include "prims_file.def"
#endif
