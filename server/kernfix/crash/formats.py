"""The table of crash kinds: what each headline looks like and how its title is made.

Titles are those of syzkaller (https://github.com/google/syzkaller), so that a crash can be found again on its dashboards. To teach the
parser a new kind, add a row; rows of a family are tried from the top.
"""

from __future__ import annotations

from kernfix.crash.picks import above_anchor, first_waiter
from kernfix.crash.rules import CALL_TRACE, DEFAULT_LOOK, FAULT, FUNC, TRACE, Family, Kind, Look, rx

_TRACE_ONLY: tuple[Look, ...] = ((CALL_TRACE, TRACE),)
_FAULT_ONLY: tuple[Look, ...] = ((FAULT,),)
_WARNING_LOOK: tuple[Look, ...] = (
    (FAULT, TRACE),
    (rx(r"^--- interrupt: \w+ at " + FUNC), TRACE),
    (CALL_TRACE, TRACE),
)
"""The second is how powerpc shows where the trap of a WARN() was taken."""
_INTERRUPT = rx(r"apic_timer_interrupt\+0x|el1h_64_irq\+0x|el1_irq\+0x|Exception stack|__irq_svc\+0x")
_STALL_LOOK: tuple[Look, ...] = ((_INTERRUPT, FAULT, TRACE), (_INTERRUPT, TRACE))
_AT = rx(r"\bat: (?:\[<?[0-9a-f]+>?\]\s*)?" + FUNC)
_SRC = r"[^\s:]{1,200}\.(?:[chS]|rs):\d+"
_BEFORE_SITE = r"(?:(?:CPU: \S{1,20} PID: \S{1,20} )?at |\[[^\n]{0,200}\] )?"
"""What a WARN() prints before its place: where it ran, or (since 6.18) the condition that did not hold."""
_LEAK_SKIP = (
    r"kmemleak",
    r"alloc",
    r"kmem",
    r"slab",
    r"create_object",
    r"idr_get",
    r"list_lru_init",
    r"pcpu_create",
    r"strn?dup",
    r"memdup",
)
"""What allocates for others: it is the caller that has leaked."""
_ODEBUG_SKIP = (r"debug_", r"rcu", r"timer_", r"work_", r"percpu_", r"vunmap", r"__free_")
"""What arms, cancels or frees the object that is still in use."""
_HELD_LOCK_SKIP = (r"lock_class", r"lock_sock", r"release_sock", r"^hlock")
"""What takes the lock for others."""

_KMSAN_SKIP = (
    r"alloc_skb",
    r"netlink_ack",
    r"netlink_rcv_skb",
    r"^_*aes_",
    r"_(?:en|de)crypt$",
    r"^cipher_",
    r"^crypto_",
    r"^drbg_",
    r"^rng_",
)
"""What makes messages or mixes bits for others: bytes that were not set before are theirs."""
_RUST_SKIP = (r"rust_helper_BUG", r"rust_begin_unwind", r"core::(?:panicking|(?:option|result)::\w+_failed)")
"""How a Rust panic becomes a BUG()."""

_BAD_ACCESS = ("bad-access in {F}",)
_SIZE = rx(r"(Read|Write) (?:of size \d+ )?(?:at|by) ")


def _warning(
    where: str,
    title: str,
    *,
    alts: tuple[str, ...] = (),
    skip: tuple[str, ...] = (),
    looks: tuple[Look, ...] = _WARNING_LOOK,
) -> Kind:
    """A ``WARNING: … at where``, in its old form (``CPU: 0 PID: 1 at``) and its new one."""
    headline = rx(rf"WARNING: {_BEFORE_SITE}(?:\S*/)?{where}")
    return Kind(headline=headline, title=title, alts=alts, skip=skip, looks=looks)


def _lockdep(word: str) -> tuple[Kind, ...]:
    """What the lock validator says, as ``INFO:`` in old kernels and ``WARNING:`` in new ones."""
    return (
        Kind(
            headline=rx(word + r": possible circular locking dependency detected"),
            body=rx(r"is trying to acquire lock"),
            title="possible deadlock in {F}",
            looks=((rx(r"is trying to acquire lock"), _AT, _AT, TRACE),),
            skip=(r"^perf_trace_", r"^process_one_work$"),
        ),
        Kind(
            headline=rx(word + r": possible irq lock inversion dependency detected"),
            body=rx(r"just changed the state of lock"),
            title="possible deadlock in {F}",
            looks=((rx(r"just changed the state of lock"), _AT, CALL_TRACE, TRACE),),
        ),
        Kind(
            headline=rx(word + r": \S*-safe -> \S*-unsafe lock order detected"),
            body=rx(r"is trying to acquire"),
            title="possible deadlock in {F}",
            looks=((rx(r"which became .*-safe at:"), TRACE), (_AT,)),
        ),
        Kind(
            headline=rx(word + r": possible recursive locking detected"),
            body=rx(r"is trying to acquire lock"),
            title="possible deadlock in {F}",
            looks=((rx(r"is trying to acquire lock"), _AT, CALL_TRACE, TRACE),),
        ),
        Kind(
            headline=rx(word + r": inconsistent lock state"),
            body=rx(r"takes"),
            title="inconsistent lock state in {F}",
            looks=((rx(r"takes"), _AT, CALL_TRACE, TRACE),),
        ),
        Kind(
            headline=rx(word + r": suspicious RCU usage"),
            body=rx(r"\S+\.[ch]:\d+ (?!.*suspicious RCU usage)|suspicious rcu_dereference"),
            title=word + ": suspicious RCU usage in {F}",
            looks=_TRACE_ONLY,
            skip=(r"rcu", r"^kmalloc", r"slab_pre_alloc"),
        ),
    )


_BUG = (
    Kind(
        headline=rx(r"BUG: KASAN: (?!double-free|invalid-free|.*invalid-free)([a-z-]+) in (?:\S+ )*?" + FUNC),
        body=_SIZE,
        title="KASAN: {0} {2} in {F}",
        alts=_BAD_ACCESS,
        looks=((rx(r"BUG: KASAN: [a-z-]+ in " + FUNC), CALL_TRACE, TRACE),),
    ),
    Kind(
        headline=rx(r"BUG: KASAN: (?:double-free or invalid-free|double-free|invalid-free) in"),
        title="KASAN: invalid-free in {F}",
        alts=("invalid-free in {F}",),
        looks=((rx(r"BUG: KASAN: [a-z -]+ in " + FUNC), CALL_TRACE, TRACE),),
    ),
    Kind(headline=rx(r"BUG: KASAN: ([a-z-]+) on address"), body=_SIZE, title="KASAN: {0} {1}"),
    Kind(headline=rx(r"BUG: KASAN: (?!.*\[inline\])(.*)"), title="KASAN: {0}", broken=True),
    Kind(
        headline=rx(r"BUG: KMSAN: kernel-usb-infoleak in"),
        title="KMSAN: kernel-usb-infoleak in {F}",
        alts=("KMSAN origin in {F}",),
        looks=((rx(r"Uninit was created at|^Local variable"), TRACE),),
        skip=_KMSAN_SKIP,
        needs_stack=False,
    ),
    Kind(
        headline=rx(r"BUG: KMSAN: ([a-z-]+) in "),
        title="KMSAN: {0} in {F}",
        alts=_BAD_ACCESS,
        looks=((rx(r"BUG: KMSAN: [a-z-]+ in " + FUNC), TRACE), (CALL_TRACE, TRACE)),
        skip=_KMSAN_SKIP,
        needs_stack=False,
    ),
    Kind(headline=rx(r"BUG: KCSAN: (.*)"), title="KCSAN: {0}", needs_stack=False),
    Kind(
        headline=rx(r"BUG: KFENCE: (use-after-free|out-of-bounds|invalid) (read|write) in "),
        title="KFENCE: {0} {1} in {F}",
        alts=_BAD_ACCESS,
        looks=((rx(r"BUG: KFENCE: [a-z -]+ in " + FUNC), TRACE),),
        needs_stack=False,  # it prints its stack without a heading (mm/kfence/report.c)
    ),
    Kind(
        headline=rx(r"BUG: KFENCE: invalid free in "),
        title="KFENCE: invalid free in {F}",
        alts=("invalid-free in {F}",),
        looks=((rx(r"BUG: KFENCE: [a-z -]+ in " + FUNC), TRACE),),
        needs_stack=False,
    ),
    Kind(
        headline=rx(r"BUG: KFENCE: memory corruption in "),
        title="KFENCE: memory corruption in {F}",
        looks=((rx(r"BUG: KFENCE: [a-z -]+ in " + FUNC), TRACE),),
        needs_stack=False,
    ),
    Kind(
        headline=rx(
            r"BUG: (?:unable to handle kernel paging request|unable to handle page fault for address|Unable to handle kernel data access)"
        ),
        title="BUG: unable to handle kernel paging request in {F}",
        alts=_BAD_ACCESS,
    ),
    Kind(
        headline=rx(r"BUG: .*NULL pointer dereference"),
        title="BUG: unable to handle kernel NULL pointer dereference in {F}",
        alts=_BAD_ACCESS,
    ),
    Kind(headline=rx(r"BUG: unable to handle kernel"), title="BUG: unable to handle kernel", broken=True),
    Kind(
        headline=rx(r"BUG: ((?:spin|rw)lock [a-zA-Z -]*[a-zA-Z])(?: on CPU#|,|\s*$)"),
        title="BUG: {0} in {F}",
        looks=_TRACE_ONLY,
        skip=(r"spin_", r"_lock"),
    ),
    Kind(
        headline=rx(r"BUG: soft lockup"),
        title="BUG: soft lockup in {F}",
        alts=("stall in {F}",),
        pick=above_anchor,
    ),
    Kind(
        headline=rx(r"BUG: .*still has locks held!"),
        title="BUG: still has locks held in {F}",
        looks=((_AT, CALL_TRACE, TRACE),),
    ),
    Kind(
        headline=rx(r"BUG: scheduling while atomic"),
        title="BUG: scheduling while atomic in {F}",
        looks=_TRACE_ONLY,
        skip=(r"schedul", r"__switch_to", r"wait_for_co"),
    ),
    Kind(
        headline=rx(r"BUG: lock held when returning to user space"),
        title="BUG: lock held when returning to user space in {F}",
        looks=((rx(r"leaving the kernel with locks still held"), _AT),),
        needs_stack=False,
    ),
    Kind(
        headline=rx(r"BUG: bad unlock balance detected!"),
        title="BUG: bad unlock balance in {F}",
        looks=((rx(r"trying to release lock"), TRACE), (CALL_TRACE, TRACE)),
    ),
    Kind(headline=rx(r"BUG: held lock freed!"), title="BUG: held lock freed in {F}", looks=((_AT, CALL_TRACE, TRACE),)),
    Kind(headline=rx(r"BUG: Bad rss-counter state"), title="BUG: Bad rss-counter state", needs_stack=False),
    Kind(
        headline=rx(r"BUG: non-zero nr_(ptes|pmds) on freeing mm"),
        title="BUG: non-zero nr_{0} on freeing mm",
        needs_stack=False,
    ),
    Kind(headline=rx(r"BUG: Bad page map"), title="BUG: Bad page map"),
    Kind(headline=rx(r"BUG: workqueue lockup"), title="BUG: workqueue lockup", needs_stack=False),
    Kind(
        headline=rx(r"BUG: Dentry .*still in use \(-?\d+\) \[unmount of ([^\]\n]+)\]"),
        title="BUG: Dentry still in use in unmount",
        alts=("BUG: Dentry still in use [unmount of {0}]",),
    ),
    Kind(
        headline=rx(r"BUG: Bad page (?:state|cache)"),
        title="BUG: Bad page state in {F}",
        looks=((rx(r"page last allocated"), TRACE), (CALL_TRACE, TRACE)),
        skip=(
            r"prep_new_page",
            r"get_page_from_freelist",
            r"set_page_owner",
            r"post_alloc_hook",
            r"bad_page",
            r"free_pages?",
            r"page_pool_",
        ),
    ),
    Kind(
        headline=rx(r"BUG: sleeping function called from invalid context at"),
        title="BUG: sleeping function called from invalid context in {F}",
        looks=_TRACE_ONLY,
    ),
    Kind(
        headline=rx(r"BUG: using ([\w]+\(\)) in preemptible"),
        title="BUG: using {0} in preemptible code in {F}",
        looks=_TRACE_ONLY,
        skip=(r"preempt", r"processor_id"),
    ),
    Kind(
        headline=rx(r"BUG: workqueue leaked lock or atomic"),
        body=rx(r"last function: (\w+)"),
        title="BUG: workqueue leaked lock or atomic in {F}",
        looks=((rx(r"last function: (\w+)"),),),
        needs_stack=False,
    ),
    Kind(
        headline=rx(r"BUG: memory leak"),
        title="memory leak in {F}",
        looks=((rx(r"backtrace:|backtrace \(crc \w+\):"), TRACE),),
        skip=_LEAK_SKIP,
        body=rx(r"unreferenced object"),
    ),
    Kind(
        headline=rx(r"BUG: .*stack guard page was hit at"),
        title="BUG: stack guard page was hit in {F}",
        alts=("stack-overflow in {F}",),
        looks=((FAULT, CALL_TRACE, TRACE), (CALL_TRACE, TRACE)),
        pick=above_anchor,
    ),
    Kind(
        headline=rx(r"BUG: Invalid wait context"),
        title="WARNING: locking bug in {F}",
        looks=_TRACE_ONLY,
        skip=_HELD_LOCK_SKIP,
    ),
    Kind(headline=rx(r"BUG:\s*$"), title="BUG: corrupted", broken=True),
)

_WARNING = (
    _warning(
        r"lib/debugobjects\.c:",
        "WARNING: ODEBUG bug in {F}",
        skip=_ODEBUG_SKIP,
    ),
    _warning(r"mm/usercopy\.c:", "WARNING: bad usercopy in {F}", skip=(r"usercopy",)),
    _warning(r"lib/kobject\.c:", "WARNING: kobject bug in {F}", skip=(r"kobject_",)),
    _warning(r"fs/proc/generic\.c:", "WARNING: proc registration bug in {F}", skip=(r"proc_",)),
    _warning(r"lib/refcount\.c:", "WARNING: refcount bug in {F}", skip=(r"refcount", r"kobject_get", r"kobject_put")),
    _warning(
        r"kernel/locking/lockdep\.c:\d+ .*lock_",
        "WARNING: locking bug in {F}",
        skip=_HELD_LOCK_SKIP,
    ),
    _warning(r"mm/\S+\.c:\d+ (?:at )?k[vz]?malloc", "WARNING: kmalloc bug in {F}"),
    _warning(r"mm/vmalloc\.c:\d+ (?:at )?__vmalloc_node", "WARNING: zero-size vmalloc in {F}"),
    _warning(r"\S+:\d+ (?:at )?usb_submit_urb", "WARNING in {F}/usb_submit_urb"),
    Kind(headline=rx(rf"WARNING: {_BEFORE_SITE}{_SRC}"), title="WARNING in {F}", looks=_WARNING_LOOK),
    Kind(  # without CONFIG_DEBUG_BUGVERBOSE there is no place
        headline=rx(rf"WARNING: {_BEFORE_SITE}(?:{FUNC}|0x[0-9a-f]+, CPU#\d)"),
        title="WARNING in {F}",
        looks=_WARNING_LOOK,
    ),
    *_lockdep("WARNING"),
    Kind(
        headline=rx(r"WARNING: .*still has locks held!"),
        title="WARNING: still has locks held in {F}",
        looks=((_AT, CALL_TRACE, TRACE),),
    ),
    Kind(
        headline=rx(r"WARNING: lock held when returning to user space"),
        title="WARNING: lock held when returning to user space in {F}",
        looks=((rx(r"leaving the kernel with locks still held"), _AT),),
        needs_stack=False,
    ),
    Kind(
        headline=rx(r"WARNING: bad unlock balance detected!"),
        title="WARNING: bad unlock balance in {F}",
        looks=((rx(r"trying to release lock"), TRACE), (CALL_TRACE, TRACE)),
    ),
    Kind(
        headline=rx(r"WARNING: held lock freed!"),
        title="WARNING: held lock freed in {F}",
        looks=((_AT, CALL_TRACE, TRACE),),
    ),
    Kind(
        headline=rx(r"WARNING: Nested lock was not taken"),
        title="WARNING: nested lock was not taken in {F}",
        looks=((_AT, CALL_TRACE, TRACE),),
    ),
    Kind(
        headline=rx(r"WARNING: kernel stack regs .*has bad '(\w+)' value [0-9a-f]{8}"),
        title="WARNING: kernel stack regs has bad '{0}' value",
        needs_stack=False,
    ),
    Kind(
        headline=rx(r"WARNING: kernel stack frame pointer .*has bad value [0-9a-f]{8}"),
        title="WARNING: kernel stack frame pointer has bad value",
        needs_stack=False,
    ),
    Kind(
        headline=rx(r"WARNING: kernel stack (?:regs|frame)"),
        title="WARNING: kernel stack regs has bad value",
        needs_stack=False,
    ),
    Kind(headline=rx(r"WARNING:\s*$"), title="WARNING: corrupted", broken=True),
)

_INFO = (
    *_lockdep("INFO"),
    Kind(
        headline=rx(r"INFO: rcu_(?:preempt|sched|bh|tasks)\w* (?:self-)?detected(?: expedited)? stall"),
        title="INFO: rcu detected stall in {F}",
        alts=("stall in {F}",),
        looks=_STALL_LOOK,
        pick=above_anchor,
        skip=(r"apic_timer_interrupt",),
        file_after=_INTERRUPT,
    ),
    Kind(
        headline=rx(r"INFO: task .*(?:\n.*)?blocked (?:in I/O wait )?for more than \d+ seconds"),
        title="INFO: task hung in {F}",
        alts=("hang in {F}",),
        looks=_TRACE_ONLY,
        pick=first_waiter,
    ),
    Kind(
        headline=rx(r"INFO: task .*can't die for more than"),
        title="INFO: task can't die in {F}",
        alts=("hang in {F}",),
        looks=_TRACE_ONLY,
        pick=first_waiter,
    ),
    Kind(
        headline=rx(r"INFO: trying to register non-static key"),
        title="INFO: trying to register non-static key in {F}",
        looks=_TRACE_ONLY,
        skip=(r"register_lock_class",),
    ),
    Kind(headline=rx(r"INFO: (Freed|Allocated) in (.*)"), title="INFO: {0} in {1}", broken=True),
    Kind(headline=rx(r"INFO:\s*$"), title="INFO: corrupted", broken=True),
)

_ARM = (
    Kind(
        headline=rx(r"Unable to handle kernel (paging request|NULL pointer dereference|access to user memory)"),
        title="BUG: unable to handle kernel {0} in {F}",
        alts=_BAD_ACCESS,
    ),
    # s390
    Kind(
        headline=rx(r"Unable to handle kernel pointer dereference"),
        title="BUG: unable to handle kernel paging request in {F}",
        alts=_BAD_ACCESS,
    ),
)

_PANIC = (
    Kind(
        headline=rx(r"Kernel panic - not syncing: .*[Ss]tack(?:-protector:)?.*is corrupted in: " + FUNC),
        title="kernel panic: stack is corrupted in {F}",
        looks=((rx(r"is corrupted in: " + FUNC), CALL_TRACE, TRACE), (CALL_TRACE, TRACE)),
        skip=(r"stack_chk",),
        needs_stack=False,
    ),
    Kind(
        headline=rx(r"Kernel panic - not syncing: .*[Ss]tack.* is corrupted"),
        title="kernel panic: stack is corrupted in {F}",
        looks=_TRACE_ONLY,
        skip=(r"stack_chk",),
    ),
    Kind(
        headline=rx(r"Kernel panic - not syncing: corrupted stack end"),
        title="kernel panic: corrupted stack end in {F}",
        alts=("stack-overflow in {F}",),
        looks=_TRACE_ONLY,
        skip=(r"schedul",),
        pick=above_anchor,
    ),
    Kind(
        headline=rx(r"Kernel panic - not syncing: kernel stack overflow"),
        title="kernel stack overflow in {F}",
        alts=("stack-overflow in {F}",),
        looks=DEFAULT_LOOK,
        pick=above_anchor,
    ),
    Kind(
        headline=rx(r"Kernel panic - not syncing: Attempted to kill init!"),
        title="kernel panic: Attempted to kill init!",
    ),
    Kind(
        headline=rx(r"Kernel panic - not syncing: (Couldn't open N_TTY ldisc)"),
        title="kernel panic: {0}",
    ),
    Kind(
        headline=rx(r"Kernel panic - not syncing: (Fatal exception|panic_on_warn set|hung_task: blocked tasks)"),
        title="kernel panic: {0}",
        broken=True,
    ),
    Kind(headline=rx(r"Kernel panic - not syncing: (.*)"), title="kernel panic: {0}"),
)

_KERNEL_BUG = (
    Kind(headline=rx(r"kernel BUG at (?:\S*/)?mm/usercopy\.c"), title="BUG: bad usercopy in {F}", skip=(r"usercopy",)),
    Kind(
        headline=rx(r"kernel BUG at (?:\S*/)?lib/list_debug\.c"), title="BUG: corrupted list in {F}", alts=_BAD_ACCESS
    ),
    Kind(headline=rx(rf"kernel BUG at {_SRC}"), title="kernel BUG in {F}", skip=(r"^skb_",)),
)

_UBSAN = (
    Kind(
        headline=rx(r"UBSAN: Undefined behaviour in"),
        title="UBSAN: undefined-behaviour in {F}",
        looks=_TRACE_ONLY,
        skip=(r"ubsan", r"overflow"),
    ),
    Kind(
        headline=rx(r"UBSAN: array-index-out-of-bounds in"),
        title="UBSAN: array-index-out-of-bounds in {F}",
        alts=_BAD_ACCESS,
        looks=_TRACE_ONLY,
        skip=(r"ubsan", r"overflow"),
    ),
    Kind(
        headline=rx(r"UBSAN: ([a-z-]+) in"), title="UBSAN: {0} in {F}", looks=_TRACE_ONLY, skip=(r"ubsan", r"overflow")
    ),
)


def _trap(
    pattern: str, title: str, *, looks: tuple[Look, ...] = _FAULT_ONLY, alts: tuple[str, ...] = ()
) -> tuple[Kind, ...]:
    """A processor trap that is its own headline."""
    return (Kind(headline=rx(pattern), title=title + " in {F}", alts=alts, looks=looks),)


def _verbatim(pattern: str, title: str, *, alts: tuple[str, ...] = ()) -> tuple[Kind, ...]:
    """A message that is its own title and comes without a stack."""
    return (Kind(headline=rx(pattern), title=title, alts=alts, needs_stack=False),)


FAMILIES: tuple[Family, ...] = (
    Family("BUG:", _BUG, rx(r"(?:ODEBUG|Boot_DEBUG|DEBUG):|xlog_status:|no syscalls can create resource")),
    Family(
        "WARNING:",
        _WARNING,
        rx(
            r"WARNING: (?:/etc/ssh/moduli|workqueue cpumask|.*mand mount option|Unsupported flag value\(s\)|Unprivileged eBPF"
            r"|fbcon:|See https|CPU_SRSO|Spectre)|unprivileged eBPF|Unprivileged eBPF|See https?\S* for mitigation"
            r"|The mand mount option|cpumask intersect|virtual screen size|SRSO|EXT4-fs \(.*\):"
            r"|deprecated v2 cap|uses deprecated|(?i:wireless extensions)"
            r"|XFS \(\S+\): WARNING"
        ),
    ),
    Family(
        "INFO:",
        _INFO,
        rx(
            r"lockdep is turned off|Stall ended before state dump start|NMI handler|took too long|recovery required on readonly"
            r"|is not present in /proc/kallsyms|no syscalls can create resource|rmt_storage:INFO:|_INFO:"
        ),
    ),
    Family("Unable to handle kernel", _ARM),
    Family(
        "general protection fault",
        (Kind(headline=rx(r"general protection fault.*:"), title="general protection fault in {F}", alts=_BAD_ACCESS),),
        rx(r"general protection fault ip:[0-9a-f]+ .*error:"),
    ),
    Family("stack segment: ", _trap(r"stack segment: ", "stack segment fault", looks=DEFAULT_LOOK)),
    Family("Kernel panic", _PANIC),
    Family("PANIC: double fault", _trap(r"PANIC: double fault", "PANIC: double fault")),
    Family(
        "rust_kernel: panicked",
        (Kind(headline=rx(r"rust_kernel: panicked at \S+\n(.*)"), title="{0} in {F}", skip=_RUST_SKIP),),
    ),
    Family("kernel BUG", _KERNEL_BUG),
    Family("Kernel BUG", (Kind(headline=rx(r"Kernel BUG (.*)"), title="kernel BUG {0}"),)),
    Family(
        "BUG kmalloc-", (Kind(headline=rx(r"BUG kmalloc-.*: Object already free"), title="BUG: Object already free"),)
    ),
    Family("divide error:", _trap(r"divide error:", "divide error")),
    Family("divide_error:", _trap(r"divide_error:", "divide error")),
    Family("invalid opcode:", _trap(r"invalid opcode:", "invalid opcode")),
    Family("int3:", _trap(r"int3:", "int3", looks=DEFAULT_LOOK)),
    Family("UBSAN:", _UBSAN),
    Family(
        "Booting the kernel.",
        _verbatim(r"^Booting the kernel\.", "unexpected kernel reboot"),
        rx(r"Parsing ELF|Decompressing Linux|Unknown parameter '"),
    ),
    Family(
        "unregister_netdevice: waiting for",
        _verbatim(
            r"unregister_netdevice: waiting for .* to become free",
            "unregister_netdevice: waiting for DEV to become free",
        ),
    ),
    Family(
        "VFS: Close: file count is 0",
        _verbatim(r"VFS: Close: file count is 0", "VFS: Close: file count is zero (use-after-free)"),
    ),
    Family(
        "VFS: Busy inodes after unmount",
        _verbatim(r"VFS: Busy inodes after unmount", "VFS: Busy inodes after unmount (use-after-free)"),
    ),
    Family("Internal error:", _trap(r"Internal error:", "Internal error", looks=DEFAULT_LOOK, alts=_BAD_ACCESS)),
    Family("Unhandled fault:", _trap(r"Unhandled fault:", "Unhandled fault", looks=DEFAULT_LOOK, alts=_BAD_ACCESS)),
    Family("Alignment trap:", _trap(r"Alignment trap:", "Alignment trap", looks=DEFAULT_LOOK)),
    Family(
        "trusty: panic",
        (
            Kind(
                headline=rx(r"trusty: panic.*: (?:DEBUG )?ASSERT FAILED at \(.*?\):[ \t]*(\S.*)"),
                title="trusty: ASSERT FAILED: {0}",
                needs_stack=False,
            ),
            Kind(
                headline=rx(r"trusty: panic.*: (?:DEBUG )?ASSERT FAILED"),
                title="trusty: ASSERT FAILED:",
                broken=True,
                needs_stack=False,
            ),
            Kind(headline=rx(r"trusty: panic.*?: (.*)"), title="trusty: panic: {0}", needs_stack=False),
        ),
    ),
    Family("fatal error:", _verbatim(r"fatal error:", "go runtime error"), rx(r"ALSA|cannot create timer")),
    Family("SYZFAIL:", _verbatim(r"(SYZFAIL:.*)", "{0}")),
    Family("SYZFATAL:", _verbatim(r"(SYZFATAL:.*)", "{0}", alts=("SYZFATAL",))),
    Family("panic:", _verbatim(r"(panic:.*)", "{0}"), rx(r"_panic:|xlog_status:|ddb\.onpanic:|evtlog_status:")),
)
"""In the order in which they claim a line that holds several keywords."""
