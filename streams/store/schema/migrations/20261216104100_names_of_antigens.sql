-- migrate:up

-- Antigens were free text; from here on a name has one written form (decision 0032). What was written
-- otherwise is brought to it. A name that is not in this list stays as it is: it still forbids every
-- unit that was not tested for it, and nobody's antibody is lost.
CREATE TEMPORARY TABLE spellings ON COMMIT DROP AS
SELECT * FROM (VALUES
    ('ABO1', 'A'), ('AntiA', 'A'), ('a', 'A'), ('abo1', 'A'), ('antiA', 'A'), ('ABO4', 'A1'),
    ('AntiA1', 'A1'), ('a1', 'A1'), ('abo4', 'A1'), ('antiA1', 'A1'), ('ATA', 'Ata'), ('AUG2', 'Ata'),
    ('AntiAta', 'Ata'), ('antiAta', 'Ata'), ('ata', 'Ata'), ('aug2', 'Ata'), ('ABO2', 'B'), ('AntiB', 'B'),
    ('abo2', 'B'), ('antiB', 'B'), ('b', 'B'), ('AntiC', 'C'), ('RH2', 'C'), ('RhC', 'C'), ('antiC', 'C'),
    ('rh2', 'C'), ('AntiCE', 'CE'), ('RH22', 'CE'), ('RhCE', 'CE'), ('antiCE', 'CE'), ('rh22', 'CE'),
    ('AntiCe', 'Ce'), ('RH7', 'Ce'), ('RhCe', 'Ce'), ('antiCe', 'Ce'), ('rh7', 'Ce'), ('rhi', 'Ce'),
    ('AntiCoa', 'Coa'), ('CO1', 'Coa'), ('COA', 'Coa'), ('antiCoa', 'Coa'), ('co1', 'Coa'), ('coa', 'Coa'),
    ('AntiCob', 'Cob'), ('CO2', 'Cob'), ('COB', 'Cob'), ('antiCob', 'Cob'), ('co2', 'Cob'), ('cob', 'Cob'),
    ('AntiCw', 'Cw'), ('CW', 'Cw'), ('RH8', 'Cw'), ('RHCW', 'Cw'), ('RhCw', 'Cw'), ('WILLIS', 'Cw'),
    ('Willis', 'Cw'), ('antiCw', 'Cw'), ('cw', 'Cw'), ('rh8', 'Cw'), ('rhcw', 'Cw'), ('willis', 'Cw'),
    ('AntiD', 'D'), ('RH0', 'D'), ('RH1', 'D'), ('RHD', 'D'), ('RHO', 'D'), ('Rh0', 'D'), ('RhD', 'D'),
    ('Rho', 'D'), ('antiD', 'D'), ('d', 'D'), ('rh0', 'D'), ('rh1', 'D'), ('rhd', 'D'), ('rho', 'D'),
    ('AntiDia', 'Dia'), ('DI1', 'Dia'), ('DIA', 'Dia'), ('DIEGODIA', 'Dia'), ('DIa', 'Dia'),
    ('DiegoDia', 'Dia'), ('antiDia', 'Dia'), ('di1', 'Dia'), ('dia', 'Dia'), ('diegodia', 'Dia'),
    ('AntiDib', 'Dib'), ('DI2', 'Dib'), ('DIB', 'Dib'), ('DIEGODIB', 'Dib'), ('DIb', 'Dib'),
    ('DiegoDib', 'Dib'), ('antiDib', 'Dib'), ('di2', 'Dib'), ('dib', 'Dib'), ('diegodib', 'Dib'),
    ('AntiDoa', 'Doa'), ('DO1', 'Doa'), ('DOA', 'Doa'), ('antiDoa', 'Doa'), ('do1', 'Doa'), ('doa', 'Doa'),
    ('AntiDob', 'Dob'), ('DO2', 'Dob'), ('DOB', 'Dob'), ('antiDob', 'Dob'), ('do2', 'Dob'), ('dob', 'Dob'),
    ('AntiE', 'E'), ('RH3', 'E'), ('RhE', 'E'), ('antiE', 'E'), ('rh3', 'E'), ('AntiFy3', 'Fy3'),
    ('DUFFYFY3', 'Fy3'), ('DuffyFy3', 'Fy3'), ('FY3', 'Fy3'), ('antiFy3', 'Fy3'), ('duffyfy3', 'Fy3'),
    ('fy3', 'Fy3'), ('AntiFya', 'Fya'), ('DUFFYFYA', 'Fya'), ('DuffyFya', 'Fya'), ('FY1', 'Fya'),
    ('FYA', 'Fya'), ('FYa', 'Fya'), ('antiFya', 'Fya'), ('duffyfya', 'Fya'), ('fy1', 'Fya'), ('fya', 'Fya'),
    ('AntiFyb', 'Fyb'), ('DUFFYFYB', 'Fyb'), ('DuffyFyb', 'Fyb'), ('FY2', 'Fyb'), ('FYB', 'Fyb'),
    ('FYb', 'Fyb'), ('antiFyb', 'Fyb'), ('duffyfyb', 'Fyb'), ('fy2', 'Fyb'), ('fyb', 'Fyb'), ('AntiG', 'G'),
    ('RH12', 'G'), ('RHG', 'G'), ('RhG', 'G'), ('antiG', 'G'), ('g', 'G'), ('rh12', 'G'), ('rhg', 'G'),
    ('AntiGe', 'Ge'), ('GE', 'Ge'), ('GE2', 'Ge'), ('GERBICH', 'Ge'), ('Ge2', 'Ge'), ('Gerbich', 'Ge'),
    ('antiGe', 'Ge'), ('ge', 'Ge'), ('ge2', 'Ge'), ('gerbich', 'Ge'), ('AntiH', 'H'), ('H1', 'H'),
    ('antiH', 'H'), ('h', 'H'), ('h1', 'H'), ('AntiI', 'I'), ('I1', 'I'), ('antiI', 'I'), ('i1', 'I'),
    ('AntiJk3', 'Jk3'), ('JK3', 'Jk3'), ('JKAB', 'Jk3'), ('Jkab', 'Jk3'), ('KIDDJK3', 'Jk3'),
    ('KiddJk3', 'Jk3'), ('antiJk3', 'Jk3'), ('jk3', 'Jk3'), ('jkab', 'Jk3'), ('kiddjk3', 'Jk3'),
    ('AntiJka', 'Jka'), ('JK1', 'Jka'), ('JKA', 'Jka'), ('JKa', 'Jka'), ('KIDDJKA', 'Jka'),
    ('KiddJka', 'Jka'), ('antiJka', 'Jka'), ('jk1', 'Jka'), ('jka', 'Jka'), ('kiddjka', 'Jka'),
    ('AntiJkb', 'Jkb'), ('JK2', 'Jkb'), ('JKB', 'Jkb'), ('JKb', 'Jkb'), ('KIDDJKB', 'Jkb'),
    ('KiddJkb', 'Jkb'), ('antiJkb', 'Jkb'), ('jk2', 'Jkb'), ('jkb', 'Jkb'), ('kiddjkb', 'Jkb'),
    ('AntiJra', 'Jra'), ('JR1', 'Jra'), ('JRA', 'Jra'), ('JUNIOR', 'Jra'), ('Junior', 'Jra'),
    ('antiJra', 'Jra'), ('jr1', 'Jra'), ('jra', 'Jra'), ('junior', 'Jra'), ('AntiJsa', 'Jsa'), ('JSA', 'Jsa'),
    ('K6', 'Jsa'), ('KEL6', 'Jsa'), ('KELLJSA', 'Jsa'), ('KellJsa', 'Jsa'), ('SUTTER', 'Jsa'),
    ('Sutter', 'Jsa'), ('antiJsa', 'Jsa'), ('jsa', 'Jsa'), ('k6', 'Jsa'), ('kel6', 'Jsa'), ('kelljsa', 'Jsa'),
    ('sutter', 'Jsa'), ('AntiJsb', 'Jsb'), ('JSB', 'Jsb'), ('K7', 'Jsb'), ('KEL7', 'Jsb'), ('KELLJSB', 'Jsb'),
    ('KellJsb', 'Jsb'), ('MATTHEWS', 'Jsb'), ('Matthews', 'Jsb'), ('antiJsb', 'Jsb'), ('jsb', 'Jsb'),
    ('k7', 'Jsb'), ('kel7', 'Jsb'), ('kelljsb', 'Jsb'), ('matthews', 'Jsb'), ('AntiK', 'K'), ('K1', 'K'),
    ('KEL1', 'K'), ('KELL', 'K'), ('Kell', 'K'), ('KellK', 'K'), ('antiK', 'K'), ('k1', 'K'), ('kel1', 'K'),
    ('kell', 'K'), ('AntiKpa', 'Kpa'), ('K3', 'Kpa'), ('KEL3', 'Kpa'), ('KELLKPA', 'Kpa'), ('KPA', 'Kpa'),
    ('KellKpa', 'Kpa'), ('PENNEY', 'Kpa'), ('Penney', 'Kpa'), ('antiKpa', 'Kpa'), ('k3', 'Kpa'),
    ('kel3', 'Kpa'), ('kellkpa', 'Kpa'), ('kpa', 'Kpa'), ('penney', 'Kpa'), ('AntiKpb', 'Kpb'), ('K4', 'Kpb'),
    ('KEL4', 'Kpb'), ('KELLKPB', 'Kpb'), ('KPB', 'Kpb'), ('KellKpb', 'Kpb'), ('antiKpb', 'Kpb'),
    ('k4', 'Kpb'), ('kel4', 'Kpb'), ('kellkpb', 'Kpb'), ('kpb', 'Kpb'), ('AntiKu', 'Ku'), ('K5', 'Ku'),
    ('KEL5', 'Ku'), ('KELLKU', 'Ku'), ('KU', 'Ku'), ('KellKu', 'Ku'), ('antiKu', 'Ku'), ('k5', 'Ku'),
    ('kel5', 'Ku'), ('kellku', 'Ku'), ('ku', 'Ku'), ('AntiLan', 'Lan'), ('LAN', 'Lan'), ('LAN1', 'Lan'),
    ('antiLan', 'Lan'), ('lan', 'Lan'), ('lan1', 'Lan'), ('AntiLea', 'Lea'), ('LE1', 'Lea'), ('LEA', 'Lea'),
    ('LEWISLEA', 'Lea'), ('LewisLea', 'Lea'), ('antiLea', 'Lea'), ('le1', 'Lea'), ('lea', 'Lea'),
    ('lewislea', 'Lea'), ('AntiLeb', 'Leb'), ('LE2', 'Leb'), ('LEB', 'Leb'), ('LEWISLEB', 'Leb'),
    ('LewisLeb', 'Leb'), ('antiLeb', 'Leb'), ('le2', 'Leb'), ('leb', 'Leb'), ('lewisleb', 'Leb'),
    ('AntiLua', 'Lua'), ('LU1', 'Lua'), ('LUA', 'Lua'), ('antiLua', 'Lua'), ('lu1', 'Lua'), ('lua', 'Lua'),
    ('AntiLub', 'Lub'), ('LU2', 'Lub'), ('LUB', 'Lub'), ('antiLub', 'Lub'), ('lu2', 'Lub'), ('lub', 'Lub'),
    ('AntiM', 'M'), ('MNS1', 'M'), ('MNSM', 'M'), ('MNSSM', 'M'), ('MNSsM', 'M'), ('antiM', 'M'), ('m', 'M'),
    ('mns1', 'M'), ('mnsm', 'M'), ('mnssm', 'M'), ('AntiMia', 'Mia'), ('MIA', 'Mia'), ('MNS7', 'Mia'),
    ('MNSMIA', 'Mia'), ('MNSMia', 'Mia'), ('MNSSMIA', 'Mia'), ('MNSsMia', 'Mia'), ('antiMia', 'Mia'),
    ('mia', 'Mia'), ('mns7', 'Mia'), ('mnsmia', 'Mia'), ('mnssmia', 'Mia'), ('AntiMur', 'Mur'),
    ('MNS10', 'Mur'), ('MNSMUR', 'Mur'), ('MNSMur', 'Mur'), ('MNSSMUR', 'Mur'), ('MNSsMur', 'Mur'),
    ('MUR', 'Mur'), ('MURRELL', 'Mur'), ('Murrell', 'Mur'), ('antiMur', 'Mur'), ('mns10', 'Mur'),
    ('mnsmur', 'Mur'), ('mnssmur', 'Mur'), ('mur', 'Mur'), ('murrell', 'Mur'), ('AntiN', 'N'), ('MNS2', 'N'),
    ('MNSN', 'N'), ('MNSSN', 'N'), ('MNSsN', 'N'), ('antiN', 'N'), ('mns2', 'N'), ('mnsn', 'N'),
    ('mnssn', 'N'), ('n', 'N'), ('AntiP', 'P'), ('GLOB', 'P'), ('GLOB1', 'P'), ('antiP', 'P'), ('glob', 'P'),
    ('glob1', 'P'), ('AntiP1', 'P1'), ('P1PK1', 'P1'), ('antiP1', 'P1'), ('p1', 'P1'), ('p1pk1', 'P1'),
    ('P1PPK', 'PP1Pk'), ('P1PPk', 'PP1Pk'), ('PP1PK', 'PP1Pk'), ('TJA', 'PP1Pk'), ('Tja', 'PP1Pk'),
    ('p1ppk', 'PP1Pk'), ('pp1pk', 'PP1Pk'), ('tja', 'PP1Pk'), ('AntiS', 'S'), ('MNS3', 'S'), ('MNSS', 'S'),
    ('MNSsS', 'S'), ('antiS', 'S'), ('mns3', 'S'), ('AntiU', 'U'), ('MNS5', 'U'), ('MNSSU', 'U'),
    ('MNSU', 'U'), ('MNSsU', 'U'), ('antiU', 'U'), ('mns5', 'U'), ('mnssu', 'U'), ('mnsu', 'U'), ('u', 'U'),
    ('AntiVel', 'Vel'), ('VEL', 'Vel'), ('VEL1', 'Vel'), ('antiVel', 'Vel'), ('vel', 'Vel'), ('vel1', 'Vel'),
    ('AntiWra', 'Wra'), ('DI3', 'Wra'), ('DIEGOWRA', 'Wra'), ('DiegoWra', 'Wra'), ('WRA', 'Wra'),
    ('WRIGHT', 'Wra'), ('Wright', 'Wra'), ('antiWra', 'Wra'), ('di3', 'Wra'), ('diegowra', 'Wra'),
    ('wra', 'Wra'), ('wright', 'Wra'), ('AntiXga', 'Xga'), ('XG1', 'Xga'), ('XGA', 'Xga'), ('antiXga', 'Xga'),
    ('xg1', 'Xga'), ('xga', 'Xga'), ('AntiYta', 'Yta'), ('YT1', 'Yta'), ('YTA', 'Yta'), ('antiYta', 'Yta'),
    ('yt1', 'Yta'), ('yta', 'Yta'), ('AntiYtb', 'Ytb'), ('YT2', 'Ytb'), ('YTB', 'Ytb'), ('antiYtb', 'Ytb'),
    ('yt2', 'Ytb'), ('ytb', 'Ytb'), ('Antic', 'c'), ('RH4', 'c'), ('Rhc', 'c'), ('antic', 'c'),
    ('AnticE', 'cE'), ('RH27', 'cE'), ('RhcE', 'cE'), ('anticE', 'cE'), ('rh27', 'cE'), ('Antie', 'e'),
    ('RH5', 'e'), ('Rhe', 'e'), ('antie', 'e'), ('Antif', 'f'), ('RH6', 'f'), ('Rhf', 'f'), ('antif', 'f'),
    ('ce', 'f'), ('Antii', 'i'), ('antii', 'i'), ('Antik', 'k'), ('Cellano', 'k'), ('K2', 'k'), ('KEL2', 'k'),
    ('Kellk', 'k'), ('antik', 'k'), ('Antis', 's'), ('MNS4', 's'), ('MNSs', 's'), ('MNSss', 's'),
    ('antis', 's')
) AS known (spelled, name);

CREATE FUNCTION pg_temp.read_names(names jsonb) RETURNS jsonb LANGUAGE sql STABLE AS $$
    SELECT jsonb_agg(name ORDER BY name COLLATE "C")
    FROM (
        SELECT DISTINCT coalesce(k.name, n.spelled) AS name
        FROM jsonb_array_elements_text(names) AS n (spelled)
        LEFT JOIN spellings AS k USING (spelled)
    ) AS read
$$;

UPDATE units
SET traits = jsonb_set(traits, '{antigen_negative}', pg_temp.read_names(traits -> 'antigen_negative'))
WHERE jsonb_array_length(traits -> 'antigen_negative') > 0;

UPDATE requests
SET
    body = jsonb_set(
        body, '{patient,antibodies}', pg_temp.read_names(body #> '{patient,antibodies}')
    ),
    patient_has_anti_d = pg_temp.read_names(body #> '{patient,antibodies}') ? 'D'
WHERE jsonb_array_length(body #> '{patient,antibodies}') > 0;

UPDATE requests
SET body = jsonb_set(body, '{lines}', (
    SELECT jsonb_agg(
        CASE
            WHEN jsonb_array_length(line #> '{attributes,antigen_negative}') > 0
            THEN jsonb_set(
                line, '{attributes,antigen_negative}',
                pg_temp.read_names(line #> '{attributes,antigen_negative}')
            )
            ELSE line
        END
        ORDER BY at
    )
    FROM jsonb_array_elements(body -> 'lines') WITH ORDINALITY AS lines (line, at)
))
WHERE body #> '{lines}' @? '$[*].attributes.antigen_negative[*]';

-- migrate:down
SELECT 1; -- a name in its one form is one that the earlier program reads too
