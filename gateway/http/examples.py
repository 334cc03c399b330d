"""The examples of every body that the OpenAPI document shows; a test validates each."""

from __future__ import annotations

from typing import Any

Examples = dict[str, Any]


def _one(summary: str, value: object) -> Examples:
    return {"example": {"summary": summary, "value": value}}


REQUEST: Examples = {
    "unknown_patient": {
        "summary": "未定型的大出血患者 · a bleeding patient of unknown group",
        "value": {
            "patient": {"reference": "bed-3", "sex": "female", "age_years": 34},
            "priority": "life_threatening",
            "needed_by": "2025-01-07T10:30:00+08:00",
            "massive_transfusion_packs": 1,
        },
    },
    "known_patient": {
        "summary": "已定型，去白红细胞 · known group, leukoreduced red cells",
        "value": {
            "patient": {"reference": "case-118", "group": "A+", "antibodies": ["E"]},
            "priority": "urgent",
            "needed_by": "2025-01-07T12:00:00+08:00",
            "lines": [
                {
                    "line_no": 1,
                    "component": "red_cells",
                    "quantity": 4,
                    "attributes": {"leukoreduced": True},
                }
            ],
            "note": "手术室 2 · theatre 2",
        },
    },
}
AMENDMENT = _one(
    "改为 6 U · six units instead",
    {"lines": [{"line_no": 1, "component": "red_cells", "quantity": 6}]},
)
PATIENT_CHANGE: Examples = {
    "laboratory": {
        "summary": "检验科补报血型和抗体 · the laboratory tells group and antibodies",
        "value": {"patient": {"group": "A+", "group_basis": "two_samples", "antibodies": ["E"]}},
    },
    "correction": {
        "summary": "具名更正血型 · a named person settles the group",
        "value": {
            "correction": {
                "group": "A+",
                "person": "Dr Tashi",
                "reason": "two new samples agree; the first label was another patient's",
            }
        },
    },
}
CONFIRMATION = _one(
    "确实要这么多 · so much is meant", {"quantity_confirmed_by": "Dr Tashi, theatre 2"}
)
CANCELLATION = _one("不再需要 · no longer needed", {"reason": "transferred to Lhasa"})
BAG_GIVEN: Examples = {
    "free": {
        "summary": "给一袋最新鲜的 · the freshest bag",
        "value": {
            "unit_id": "W1234-25-000017-RC",
            "line_no": 1,
            "by": "次仁 · Tsering",
            "reason": "患儿须最新鲜的血 · the child needs the freshest cells",
        },
    },
    "instead": {
        "summary": "换下一袋 · instead of another",
        "value": {
            "unit_id": "W1234-25-000017-RC",
            "line_no": 1,
            "instead_of": "W1234-25-000018-RC",
            "by": "次仁 · Tsering",
            "reason": "那袋要走山路 · the other bag has the longer way",
        },
    },
}
BAG_TAKEN_BACK = _one(
    "袋面有渗漏 · a damp bag", {"by": "次仁 · Tsering", "reason": "袋面有渗漏 · the bag looks damp"}
)
HOLD = _one(
    "留给手术室，到两点 · for theatre 2, until two",
    {
        "unit_id": "W1234-25-000017-RC",
        "until": "2025-01-07T14:00:00+08:00",
        "by": "次仁 · Tsering",
        "reason": "留给手术室 2 · for theatre 2",
    },
)
HOLD_END = _one(
    "手术取消 · the operation is off",
    {"by": "次仁 · Tsering", "reason": "手术已取消 · the operation is off"},
)
STOOD_DOWN = _one(
    "血已够用 · blood enough",
    {"by": "次仁 · Tsering", "reason": "血已够用 · there is blood enough"},
)
RESUMED = _one(
    "又有伤员 · more injured",
    {"by": "次仁 · Tsering", "reason": "又有伤员送到 · more injured have come"},
)
TRANSFER_STOOD_DOWN = _one(
    "道路中断 · the road is cut",
    {"by": "次仁 · Tsering", "reason": "道路中断 · the road is cut"},
)
ALERT = _one(
    "定日地震 · the Dingri earthquake",
    {
        "alert_id": "us6000pi9w-4",
        "event_key": "us6000pi9w",
        "revision": 4,
        "headline": "M 7.1 - Southern Tibetan Plateau",
        "source": "USGS PAGER",
        "sent_at": "2025-01-07T02:40:00Z",
        "occurred_at": "2025-01-07T01:05:16Z",
        "location": {"lat": 28.639, "lon": 87.361},
        "depth_km": 10,
        "magnitude": 7.1,
        "exposures": [{"mmi": 8, "population": 11000}, {"mmi": 7, "population": 34000}],
        "casualties": {"dead": 126, "injured": 188},
    },
)
_UNIT = {
    "unit_id": "W1234-25-000017-RC",
    "donation_id": "W1234-25-000017",
    "component": "red_cells",
    "group": "O+",
    "volume_ml": 200,
    "collected_at": "2025-01-02T09:00:00+08:00",
    "expires_at": "2025-02-05T23:59:59+08:00",
    "leukoreduced": True,
    "released": True,
}
STOCK = _one(
    "一次盘点 · a count",
    {
        "counted_at": "2025-01-07T08:00:00+08:00",
        "released_by": "质管科 · quality control",
        "released_at": "2025-01-06T16:00:00+08:00",
        "units": [_UNIT],
    },
)
STOCK_CSV = (
    "unit_id,donation_id,component,group,volume_ml,collected_at,expires_at,leukoreduced,released,"
    "released_by,released_at\n"
    "W1234-25-000017-RC,W1234-25-000017,red_cells,O+,200,"
    "2025-01-02T09:00:00+08:00,2025-02-05T23:59:59+08:00,true,true,"
    "quality control,2025-01-06T16:00:00+08:00\n"
)
_CHANGED = {"unit_id": _UNIT["unit_id"], "epoch": 1}
CHANGE: Examples = {
    "picked": {
        "summary": "已拣血 · picked for its patient",
        "value": {
            **_CHANGED,
            "change": "picked",
            "happened_at": "2025-01-07T09:30:00+08:00",
            "done_by": "store 2",
        },
    },
    "returned": {
        "summary": "未用退回，脱离温控 10 分钟 · back unused, 10 minutes out of control",
        "value": {
            **_CHANGED,
            "change": "returned",
            "happened_at": "2025-01-07T13:00:00+08:00",
            "out_of_control_s": 600,
        },
    },
    "issued": {
        "summary": "已发出 · issued under its promise",
        "value": {
            **_CHANGED,
            "change": "issued",
            "happened_at": "2025-01-07T09:40:00+08:00",
        },
    },
}
_RESULT = {
    "result_id": "W1234-25-000018-hbsag-1",
    "test": "hbsag",
    "outcome": "nonreactive",
    "method": "ELISA",
    "run_id": "plate-20250107-03",
    "performed_at": "2025-01-07T08:40:00+08:00",
    "performed_by": "laboratory",
}
_GROUPING = {
    "result_id": "W1234-25-000018-group-1",
    "test": "grouping",
    "group": "O+",
    "method": "microplate",
    "run_id": "plate-20250107-04",
    "performed_at": "2025-01-07T08:50:00+08:00",
    "performed_by": "laboratory",
}
RESULTS = _one("两项结果 · two results", {"results": [_RESULT, _GROUPING]})
SPLIT = _one(
    "一袋全血 · one bag",
    {
        "unit_id": "W1234-25-000018-WB",
        "components": [
            {
                "unit_id": "W1234-25-000018-RC",
                "component": "red_cells",
                "volume_ml": 200,
                "traits": {"leukoreduced": True},
            },
            {
                "unit_id": "W1234-25-000018-FP",
                "component": "fresh_frozen_plasma",
                "volume_ml": 150,
            },
        ],
    },
)
RECALL = _one(
    "献血后告知 · post-donation information",
    {"reason": "post-donation information", "recalled_by": "quality control"},
)
SCAN: Examples = {
    "one_bag": {
        "summary": "一袋的四个条码 · the four barcodes of one bag",
        "value": {
            "action": "issue",
            "barcodes": ["=G12342565432170", "=<EX001V00", "=%5100", "&>0250362359"],
            "scanned_at": "2025-01-07T09:40:00+08:00",
        },
    },
    "compound": {
        "summary": "复合码 · a compound message",
        "value": {
            "action": "receive",
            "barcodes": ["=+04000=G12342565432170=<EX001V00=%5100&>0250362359"],
        },
    },
}
CLOSING: Examples = {
    "discarded": {
        "summary": "两袋破损，已报废 · two bags were broken",
        "value": {
            "unit_ids": ["W1234-25-000017-RC", "W1234-25-000018-RC"],
            "resolution": "discarded",
            "reason": "破袋，见报废单 17 · broken, discard note 17",
        },
    },
    "all_missing_issued": {
        "summary": "未盘到的都已手工发出 · everything missing was issued on paper",
        "value": {
            "kind": "missing",
            "resolution": "issued",
            "reason": "停电期间手工发血 · by hand",
        },
    },
}
SCAN_AT_HOSPITAL: Examples = {
    "transfuse": {
        "summary": "输注一袋 · one bag transfused",
        "value": {
            "action": "transfuse",
            "barcodes": ["=+04000=G12342565432170=<EX001V00=%5100&>0250362359"],
            "done_by": "ward 3",
        },
    },
    "return": {
        "summary": "未用退回，脱离温控 10 分钟 · back unused, 10 minutes out of control",
        "value": {
            "action": "return",
            "barcodes": ["=G12342565432170", "=<EX001V00", "=%5100", "&>0250362359"],
            "reason": "operation postponed",
            "out_of_control_s": 600,
        },
    },
}
DONORS = _one(
    "名册 · a register",
    {
        "donors": [
            {
                "donor_id": "nagqu-0042",
                "name": "示例",
                "contact": "+86 000 0000 0000",
                "group": "B+",
                "sex": "female",
                "born_on": "1992-05-31",
                "weight_kg": 58,
                "location": {"lat": 31.476, "lon": 92.051},
                "consented_at": "2024-06-01T10:00:00+08:00",
            }
        ]
    },
)
DONOR = _one(
    "暂缓一位献血者，其余不变 · defer a donor, the rest stays as it is",
    {"deferred_until": "2025-07-01T00:00:00+08:00"},
)
DONORS_CSV = (
    "donor_id,name,contact,group,sex,born_on,weight_kg,lat,lon,staff,consented_at\n"
    "nagqu-0042,示例,+86 000 0000 0000,B+,female,1992-05-31,58,31.476,92.051,no,"
    "2024-06-01T10:00:00+08:00\n"
)
ANSWER: Examples = {
    "accepted": {
        "summary": "答应来 · will come",
        "value": {
            "answer": "accepted",
            "answered_at": "2025-01-07T09:20:00+08:00",
            "eta_s": 1800,
        },
    },
    "donated": {
        "summary": "已献血 · gave",
        "value": {
            "answer": "donated",
            "answered_at": "2025-01-07T10:30:00+08:00",
            "donation": {
                "unit_id": "W1234-25-000101-WB",
                "donation_id": "W1234-25-000101",
                "component": "whole_blood",
                "group": "B+",
                "volume_ml": 240,
                "collected_at": "2025-01-07T10:25:00+08:00",
                "expires_at": "2025-02-11T23:59:59+08:00",
            },
        },
    },
}
OFFER = _one(
    "提供 10 U · ten units",
    {
        "shortage_id": "6f5a7c2e-3b0d-5e0a-9d43-8d2f1c6b7a10",
        "to_station_id": "shigatse",
        "component": "red_cells",
        "group": "O+",
        "quantity": 10,
        "valid_until": "2025-01-07T14:00:00+08:00",
    },
)
STATION = _one(
    "那曲 · Nagqu",
    {
        "station_id": "nagqu",
        "name_zh": "那曲市中心血站",
        "name_en": "Nagqu Blood Station",
        "location": {"lat": 31.476, "lon": 92.051},
        "altitude_m": 4500,
        "daily_demand": {"red_cells": 3.5},
        "policy": {"neighbours": ["ngari", "lhasa"]},
    },
)
HOSPITAL = _one(
    "定日 · Dingri",
    {
        "hospital_id": "dingri-county",
        "name_zh": "定日县人民医院",
        "name_en": "Dingri County Hospital",
        "location": {"lat": 28.661, "lon": 87.126},
        "station_id": "shigatse",
        "can_thaw": False,
    },
)
ROUTES = _one(
    "已知的行程 · a known journey",
    {"routes": [{"from_id": "shigatse", "to_id": "dingri-county", "eta_s": 14400}]},
)
CONFIRMATION = _one("值班调度 · the dispatcher on duty", {"by": "值班调度 次仁"})
