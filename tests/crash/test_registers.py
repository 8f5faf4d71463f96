"""Register dumps and code bytes, as each architecture prints them."""

from __future__ import annotations

import pytest

from kernfix.crash.registers import code_of, registers_of

X86_64 = """\
RIP: 0010:frob+0x12/0x40
Code: 48 89 df e8 11 22 33 44 <48> 8b 43 08 5b c3
RSP: 0018:ffffc90000a37c10 EFLAGS: 00010246 ORIG_RAX: ffffffffffffffff
RAX: 0000000000000001 RBX: 0000000000000002 RCX: 0000000000000003
RDX: 0000000000000004 RSI: 0000000000000005 RDI: 0000000000000006
RBP: 0000000000000007 R08: 0000000000000008 R09: 0000000000000009
R10: 000000000000000a R11: 000000000000000b R12: 000000000000000c
R13: 000000000000000d R14: 000000000000000e R15: 000000000000000f
FS:  00007f0000000740(0000) GS:ffff88807dc00000(0000) knlGS:0000000000000001
CS:  0010 DS: 0000 ES: 0000 CR0: 0000000080050033
CR2: 0000000000000008 CR3: 0000000002a10000 CR4: 00000000000006f0
PKRU: 55555554"""
X86_64_USER = """\
RIP: 0033:0x4512d9
Code: aa bb cc dd <ee> ff 00 11
RSP: 002b:00007ffcdc0ffee0 EFLAGS: 00000246 ORIG_RAX: 0000000000000010
RAX: ffffffffffffffda RBX: 0000000000000020 RCX: 00000000004512d9
R13: 0000000000000021 R14: 0000000000000022 R15: 0000000000000023"""
X86_64_NAMES = (
    "RSP EFLAGS ORIG_RAX RAX RBX RCX RDX RSI RDI RBP R08 R09 R10 R11 R12 R13 R14 R15 FS GS knlGS CR0 CR2 CR3 CR4 PKRU"
)

I386 = """\
EIP: frob+0x12/0x40
Code: 55 89 e5 <8b> 40 04 5d c3
EAX: 00000001 EBX: c1234567 ECX: 00000003 EDX: 00000004
ESI: 00000005 EDI: 00000006 EBP: c2345678 ESP: c2345670
DS: 007b ES: 007b FS: 00d8 GS: 0033 SS: 0068 EFLAGS: 00010246
CR0: 80050033 CR2: 00000004 CR3: 02a10000 CR4: 000006d0"""
I386_OLD = "EIP: 0060:[<c1234567>] EFLAGS: 00010246 CPU: 0\nEIP is at frob+0x12/0x40"
ARM64 = """\
pstate: 60400005 (nZCv daif +PAN -UAO -TCO -DIT -SSBS BTYPE=--)
pc : frob+0x12/0x40
lr : facade00+0x12/0x40
sp : ffff800012345670
pmr_save: 000000e0
x29: ffff800012345670 x28: 0000000000000028 x27: 0000000000000027
x26: 0000000000000026 x25: 0000000000000025 x24: 0000000000000024
x2 : 0000000000000002 x1 : 0000000000000001 x0 : 0000000000000000
Code: 910003fd f9000bf3 aa0003f3 97932e41 (08dffe60)"""
ARM64_OLD = """\
PC is at frob+0x12/0x40
pc : [<ffff000008091958>] lr : [<ffff000008091db8>] pstate: 60400149
sp : ffff8000738e39f0
x29: ffff8000738e39f0 x28: ffff200009c8a140 """
ARM64_USER = (
    "pc : 0000ffff8e5b1c58\nlr : 0000ffff8e5b1c50\nsp : 0000ffffd0000000\nx2 : 0000000000000002 x1 : 0000000000000001"
)
ARM = """\
PC is at frob+0x12/0x40
LR is at brot+0x12/0x40
pc : [<c0123456>]    lr : [<c0123450>]    psr: 60000013
sp : c0001000  ip : c0002000  fp : c0003000
r10: 00000010  r9 : 00000009  r8 : 00000008
r7 : 00000007  r6 : 00000006  r5 : 00000005  r4 : 00000004
r3 : 00000003  r2 : 00000002  r1 : 00000001  r0 : 00000000
Flags: nZCv  IRQs on  FIQs on  Mode SVC_32  ISA ARM  Segment user
Code: e34820b0 e3023400 e34830a7 e5911010 (e7922101)"""
RISCV = """\
epc : frob+0x12/0x40
 ra : brot+0x12/0x40
epc : ffffffff80014264 ra : ffffffff80014260 sp : ffff8f8000fd7860
 gp : ffffffff89f9adc0 tp : ffffaf8014334f80 t0 : 0000000000000100
 t1 : 0000000000000101 t2 : 0000000000000102 s0 : 0000000000000200
 s1 : 0000000000000201 a0 : 0000000000000300 a1 : 0000000000000301
 a2 : 0000000000000302 a3 : 0000000000000303 a4 : 0000000000000304
 a5 : 0000000000000305 a6 : 0000000000000306 a7 : 0000000000000307
 s2 : 0000000000000202 s3 : 0000000000000203 s4 : 0000000000000204
 s5 : 0000000000000205 s6 : 0000000000000206 s7 : 0000000000000207
 s8 : 0000000000000208 s9 : 0000000000000209 s10: 0000000000000210
 s11: 0000000000000211 t3 : 0000000000000103 t4 : 0000000000000104
 t5 : 0000000000000105 t6 : 0000000000000106 ssp : 0000000000000000
status: 0000000200000120 badaddr: 0000000000000008 cause: 000000000000000d
Code: 8526 80e7 4080 (6398) b783"""
RISCV_NAMES = (
    "epc ra sp gp tp t0 t1 t2 s0 s1 a0 a1 a2 a3 a4 a5 a6 a7 s2 s3 s4 s5 s6 s7 s8 s9 s10 s11 t3 t4 t5 t6 ssp "
    "status badaddr cause"
)
RISCV_USER = "epc : 0000003f8e5b1c58 ra : 0000003f8e5b1c50 sp : 0000003fd0000000\n gp : 0000003f00000000"
PPC64 = """\
NIP:  c00000000022d79c LR: c00000000022d784 CTR: 0000000000000000
REGS: c00000007a3ef6e0 TRAP: 0380   Not tainted  (5.4.0)
MSR:  8000000000009033 <SF,EE,ME,IR,DR,RI,LE>  CR: 22824428  XER: 20000000
CFAR: c000000000aaf11c DAR: 0000000000000008 DSISR: 40000000 IRQMASK: 0 
GPR00: c00000000022d784 c00000007a3ef970 c000000001f24600 0000000000004000 
GPR28: 0000000000000028 0000000000000029 0000000000000030 0000000000000031 
NIP [c00000000022d79c] frob+0x12/0x40
LR [c00000000022d784] brot+0x12/0x40
Instruction dump:
7fa3eb78 38a00000 38800800 3fe2ffb0 3bff4e00 488818d9 60000000 3d220005 
39291df8 78631f48 7d29182a 7fe9fa14 <e87f0b20> 4bff81e9 XXXXXXXX 60000000 
---[ end trace 0123456789abcdef ]---"""  # noqa: W291
PPC64_USER = """\
NIP:  00007fff8c0b0c00 LR: 00007fff8c0b0c04 CTR: 0000000000000000
REGS: c00000007a3efe80 TRAP: 0c00   Not tainted  (5.4.0)
MSR:  800000000280f033 <SF,VEC,VSX,EE,PR,FP,ME,IR,DR,RI,LE>  CR: 22824428  XER: 00000000
GPR00: 0000000000000036 00007fffd0000000 00007fff8c1b0000 0000000000000003"""
S390 = """\
Krnl PSW : 0704c00180000000 000000000011c9ba (frob+0x12/0x40)
           R:0 T:1 IO:1 EX:1 Key:0 M:1 W:0 P:0 AS:3 CC:0 PM:0 RI:0 EA:3
Krnl GPRS: 0000000000000000 0000000000000001 0000000000000002 0000000000000003
           0000000000000004 0000000000000005 0000000000000006 0000000000000007
           0000000000000008 0000000000000009 000000000000000a 000000000000000b
           000000000000000c 000000000000000d 000000000000000e 000000000000000f
Krnl Code: 000000000011c9aa: e3c0f0980024\tstg\t%r12,152(%r15)
           000000000011c9b0: b9040012\t\tlgr\t%r1,%r2
          #000000000011c9b4: e31020000004\tlg\t%r1,0(%r2)
          >000000000011c9ba: 07fe\t\tbcr\t15,%r14
Call Trace:"""
S390_USER = "User PSW : 0705000180000000 000003ffa1234567\nUser GPRS: 0000000000000000 0000000000000001"
LOONGARCH = """\
pc 9000000000212345 ra 9000000000212340 tp 9000000100000000 sp 9000000100003c10
a0 0000000000000100 a1 0000000000000101 a2 0000000000000102 a3 0000000000000103
t8 0000000000000208 u0 0000000000000300 s9 0000000000000409 s0 0000000000000400
   ra: 9000000000212340 brot+0x12/0x40
  ERA: 9000000000212345 frob+0x12/0x40
 CRMD: 000000b0 (PLV0 -IE -DA +PG DACF=CC DACM=CC -WE)
 PRMD: 00000004 (PPLV0 +PIE -PWE)
ESTAT: 00010000 [PIL] (IS= ECode=1 EsubCode=0)
 BADV: 0000000000000008
Code: 002a2000  28c06063  02bfc063 <29c02076> 02c04076  4c000020"""
MIPS = """\
$ 0   : 00000000 1000a400 00000001 80410000
$24   : 00000024 80101230
$28   : 80010000 80011e10 00000030 80101234
Hi    : 00000001
Lo    : 00000002
epc   : 80101234 frob+0x12/0x40
ra    : 80101230 brot+0x12/0x40
Status: 1000a403\tKERNEL EXL IE 
Cause : 00800008 (ExcCode 02)
BadVA : 00000008
PrId  : 00019300 (frob)
Code: 8fbf0014  8fb00010  <8c420008> 03e00008  27bd0018"""  # noqa: W291


def check(dump: str, **expected: str) -> None:
    """The registers named are as expected; x86's names and the like are given as keywords."""
    registers = registers_of(["Oops: frob", *dump.splitlines()])
    assert {name: registers.get(name) for name in expected} == {
        name: "0x" + digits for name, digits in expected.items()
    }


def names(dump: str) -> list[str]:
    return list(registers_of(dump.splitlines()))


def test_x86_64() -> None:
    check(X86_64, RSP="ffffc90000a37c10", EFLAGS="00010246", R15="000000000000000f", CR2="0000000000000008")
    check(X86_64, FS="00007f0000000740", GS="ffff88807dc00000", knlGS="0000000000000001", PKRU="55555554")
    assert names(X86_64) == X86_64_NAMES.split()


def test_i386() -> None:
    check(I386, EAX="00000001", EDX="00000004", ESP="c2345670", EFLAGS="00010246", CR2="00000004")
    assert names(I386) == ["EAX", "EBX", "ECX", "EDX", "ESI", "EDI", "EBP", "ESP", "EFLAGS", "CR0", "CR2", "CR3", "CR4"]
    check(I386_OLD, EIP="c1234567", EFLAGS="00010246")


def test_arm64() -> None:
    check(ARM64, pstate="60400005", sp="ffff800012345670", x29="ffff800012345670", x24="0000000000000024")
    assert names(ARM64) == ["pstate", "sp", "x29", "x28", "x27", "x26", "x25", "x24", "x2", "x1", "x0"]
    check(ARM64_OLD, pc="ffff000008091958", lr="ffff000008091db8", pstate="60400149", x28="ffff200009c8a140")


def test_arm() -> None:
    check(ARM, pc="c0123456", lr="c0123450", psr="60000013", ip="c0002000", r10="00000010", r0="00000000")
    assert names(ARM) == [
        "pc",
        "lr",
        "psr",
        "sp",
        "ip",
        "fp",
        "r10",
        "r9",
        "r8",
        "r7",
        "r6",
        "r5",
        "r4",
        "r3",
        "r2",
        "r1",
        "r0",
    ]


def test_riscv() -> None:
    check(RISCV, epc="ffffffff80014264", s1="0000000000000201", s11="0000000000000211", cause="000000000000000d")
    assert names(RISCV) == RISCV_NAMES.split()
    check("epc : c0014264 ra : c0014260 sp : c0fd7860", epc="c0014264", ra="c0014260", sp="c0fd7860")


def test_powerpc() -> None:
    check(PPC64, NIP="c00000000022d79c", CTR="0000000000000000", MSR="8000000000009033", XER="20000000")
    check(PPC64, DAR="0000000000000008", DSISR="40000000", GPR00="c00000000022d784", GPR03="0000000000004000")
    check(PPC64, GPR28="0000000000000028", GPR31="0000000000000031")
    check(
        "GPR08: c0000001 c0000002 c0000003 c0000004 c0000005 c0000006 c0000007 c0000008",
        GPR08="c0000001",
        GPR15="c0000008",
    )


def test_s390() -> None:
    expected = {"PSW mask": "0704c00180000000", "PSW addr": "000000000011c9ba"}
    expected |= {f"r{number}": f"{number:016x}" for number in range(16)}
    assert registers_of(S390.splitlines()) == {name: "0x" + digits for name, digits in expected.items()}


def test_loongarch() -> None:
    check(LOONGARCH, pc="9000000000212345", sp="9000000100003c10", a3="0000000000000103", u0="0000000000000300")
    check(LOONGARCH, ERA="9000000000212345", CRMD="000000b0", BADV="0000000000000008")


def test_mips() -> None:
    check(MIPS, **{"$0": "00000000", "$3": "80410000", "$24": "00000024", "$25": "80101230", "$31": "80101234"})
    check(MIPS, epc="80101234", ra="80101230", Hi="00000001", Status="1000a403", Cause="00800008", BadVA="00000008")
    assert "$26" not in names(MIPS)


@pytest.mark.parametrize(
    "dump",
    [
        X86_64_USER,
        "EIP: 0073:[<080484d0>] EFLAGS: 00000246 CPU: 0\nEAX: 00000001 EBX: 00000002",
        "EIP: 0xb7f00d41\nEAX: 00000001 EBX: 00000002",
        ARM64_USER,
        ARM.replace("SVC_32", "USER_32"),
        RISCV_USER,
        PPC64_USER,
        S390_USER,
        LOONGARCH.replace("(PPLV0 ", "(PPLV3 "),
        MIPS.replace("KERNEL EXL", "USER EXL"),
    ],
)
def test_the_registers_of_programs_are_left_out(dump: str) -> None:
    assert registers_of(dump.splitlines()) == {}


def test_the_first_dump_counts() -> None:
    later = X86_64.replace("RAX: 0000000000000001", "RAX: 00000000000000ff") + "\nDS: 0000 CR0: 0000000000000001"
    dumps = "\n".join((X86_64_USER, X86_64, X86_64_USER, later))
    check(dumps, RAX="0000000000000001", CR0="0000000080050033", R15="000000000000000f")
    short = "\n".join(line for line in X86_64.splitlines() if not line.startswith("CR2:"))
    check(f"{short}\n{X86_64_USER}\nCR2: 0000000000000018", CR2="0000000000000018")


@pytest.mark.parametrize(
    "line",
    [
        "RAX: 000000000000000g RBX: 00000001",
        "RAX: 1 RBX: 2",
        "RSP: 0018:frob+0x1/0x2",
        "lr : deadbeef+0x1/0x2",
        "GPR: c0000001",
        "$ 0 c0000001",
        "Krnl Code: none",
        "sp" + " " * 10_000 + ": 00000001",
        "RAX: " + "0" * 10_000,
        "",
    ],
)
def test_no_register(line: str) -> None:
    assert not registers_of([line]) or set(registers_of([line])) == {"RBX"}


@pytest.mark.parametrize(
    ("dump", "code"),
    [
        (X86_64, "48 89 df e8 11 22 33 44 <48> 8b 43 08 5b c3"),
        (I386, "55 89 e5 <8b> 40 04 5d c3"),
        (ARM64, "910003fd f9000bf3 aa0003f3 97932e41 (08dffe60)"),
        (ARM, "e34820b0 e3023400 e34830a7 e5911010 (e7922101)"),
        (RISCV, "8526 80e7 4080 (6398) b783"),
        (
            PPC64,
            "7fa3eb78 38a00000 38800800 3fe2ffb0 3bff4e00 488818d9 60000000 3d220005 "
            "39291df8 78631f48 7d29182a 7fe9fa14 <e87f0b20> 4bff81e9 XXXXXXXX 60000000",
        ),
        ("Code: 7fa3eb78 38a00000 <e87f0b20> 4bff81e9 ", "7fa3eb78 38a00000 <e87f0b20> 4bff81e9"),
        (S390, "e3c0f0980024 b9040012 #e31020000004 >07fe"),
        (LOONGARCH, "002a2000 28c06063 02bfc063 <29c02076> 02c04076 4c000020"),
        (MIPS, "8fbf0014 8fb00010 <8c420008> 03e00008 27bd0018"),
        ("Code: 8fbf0014  8fb00010  (Bad address in epc)", "8fbf0014 8fb00010"),
        ("Code:\nCode: <0f> 0b", "<0f> 0b"),
        (f"{X86_64_USER}\n{X86_64}", "48 89 df e8 11 22 33 44 <48> 8b 43 08 5b c3"),
        # kernels before 4.17 print the kernel's code below the registers of the program
        ("RIP: 0033:0x4512d9\nRSP: 002b:00007ffcdc0ffee0\nRAX: 00\nCode: 90 <0f> 0b", "90 <0f> 0b"),
        (X86_64_USER, None),
        ("Code: Bad RIP value.", None),
        ("Code:  Bad RIP value.", None),
        ("Code: bad PC value", None),
        ("Code: Unable to access opcode bytes at 0x7f01b7b884cf.", None),
        ("Krnl Code: Bad PSW.", None),
        ("User Code: 000003ff80000000: 07fe\t\tbcr\t15,%r14", None),
        ("Instruction dump:", None),
        ("Code: ", None),
        ("Code: f", None),
        ("", None),
    ],
)
def test_code(dump: str, code: str | None) -> None:
    assert code_of(["Oops: frob", *dump.splitlines()]) == code


def test_a_torn_code_line_gives_its_whole_words() -> None:
    assert code_of(["Code: 48 89 df <48> 8b baXfrob"]) == "48 89 df <48> 8b"


def test_many_lines_without_code_end_the_search() -> None:
    assert code_of(["Code: none"] * 5000) is None
