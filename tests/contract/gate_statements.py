"""Statements for the gate: what it must refuse and what it must let through.

`@CANARY@` stands for a file that must never be read, `@OUT@` for a folder where nothing may be written.
"""

# ruff: noqa: E501

# Each is answered with code 497 or 446.
REFUSED = r"""
select file('@CANARY@')
select `file`('@CANARY@')
select "file"('@CANARY@')
select File('@CANARY@')
select /**/file/**/('@CANARY@')
select file ( $$@CANARY@$$ )
select * from file('@CANARY@')
select * from file('@CANARY@', LineAsString)
select * from `file`('@CANARY@', 'CSV', 'a String')
select * from FILE('@CANARY@')
select * from fileCluster('default', '@CANARY@')
select * from '@CANARY@'
select * from `@CANARY@`
select * from "@CANARY@"
select * from default.`@CANARY@`
select * from default."@CANARY@"
select * from `../ep/canary.csv`
select * from `file://@CANARY@`
select * from (select * from `@CANARY@`)
select 1 where 'x' in `@CANARY@`
select 1 where 'x' in default.`@CANARY@`
select 1 where 'x' global not in (select * from `@CANARY@`)
select 1 where exists(select * from `@CANARY@`)
select (select * from `@CANARY@`)
with x as (select * from `@CANARY@`) select * from x
with `@CANARY@` as x select * from x
select * from gate.t join `@CANARY@` as z on 1=1
select * from gate.t array join file('@CANARY@') as z
select * from merge('default', '.*csv')
select * from merge('.*')
select * from loop(default, `@CANARY@`)
select * from view(select * from file('@CANARY@'))
select * from view(select file('@CANARY@'))
select * from numbers(length(file('@CANARY@')))
select * from generateRandom('a String', length(file('@CANARY@')))
select * from values('a String', file('@CANARY@'))
select * from eval('select * from file(''@CANARY@'')')
select * from eval(concat('select * from fi','le(''@CANARY@'')'))
select * from viewExplain('EXPLAIN','', (select * from file('@CANARY@')))
select * from (explain select * from file('@CANARY@'))
explain select * from file('@CANARY@')
explain ast select file('@CANARY@')
explain table override mysql('127.0.0.1:1','a','b','c','d') columns (a Int)
describe file('@CANARY@')
describe table `@CANARY@`
describe (select file('@CANARY@'))
desc url('http://127.0.0.1:1/')
show columns from `@CANARY@`
show create table `@CANARY@`
exists `@CANARY@`
exists table default.`@CANARY@`
select * from filesystem('@OUT@')
select * from executable('cat', 'LineAsString', 'a String')
select * from python('x')
select * from Python(x)
select * from url('http://127.0.0.1:1/x', LineAsString)
select * from urlCluster('c','http://127.0.0.1:1/x')
select * from s3('http://127.0.0.1:1/x')
select * from gcs('http://127.0.0.1:1/x')
select * from hdfs('hdfs://127.0.0.1:1/x')
select * from azureBlobStorage('x')
select * from remote('127.0.0.1:1', system.one)
select * from remoteSecure('127.0.0.1:1', system.one)
select * from cluster('default', system.one)
select * from clusterAllReplicas('default', system.one)
select * from mysql('127.0.0.1:1','a','b','c','d')
select * from postgresql('127.0.0.1:1','a','b','c','d')
select * from mongodb('127.0.0.1:1','a','b','c','d')
select * from redis('127.0.0.1:1','a','b')
select * from sqlite('@OUT@/x.db','t')
select * from odbc('a','b')
select * from jdbc('a','b')
select * from iceberg('@CANARY@')
select * from icebergLocal('@OUT@')
select * from deltaLakeLocal('@OUT@')
select * from paimonLocal('@OUT@')
select * from hudi('@CANARY@')
select * from ytsaurus('a','b')
select * from bigquery('a')
select * from prometheusQuery('a','b')
select * from format(CSV, file('@CANARY@'))
select * from fuzzQuery('select 1')
select * from mergeTreeIndex(gate, t)
select catboostEvaluate('@CANARY@', 1)
select hasColumnInTable('127.0.0.1:1','u','p','gate','t','a')
select joinGet('@CANARY@','a',1)
select getServerSetting('path')
select getMacro('x')
select aiGenerate('x')
select AIGenerate('x')
select getClientHTTPHeader('authorization')
select showCertificate()
select addressToLine(1)
select sleep(3)
select sleepEachRow(1) from numbers(3)
select naiveBayesClassifier('@CANARY@','x')
select arrayMap(x -> file('@CANARY@'), [1])
select arrayMap(x -> `file`(x), ['@CANARY@'])
select * apply(x -> file(x)) from (select '@CANARY@' as a)
select * apply(file) from (select '@CANARY@' as a)
select * apply file from (select '@CANARY@' as a)
select * replace(file('@CANARY@') as number) from numbers(1)
select columns('a') apply file from (select '@CANARY@' as a)
select number from numbers(1) order by file('@CANARY@')
select count() from numbers(1) group by file('@CANARY@')
select count() from numbers(1) having file('@CANARY@') != ''
select number from numbers(1) limit length(file('@CANARY@'))
select number from numbers(1) limit 1 by file('@CANARY@')
select sum(1) over (partition by file('@CANARY@')) from numbers(1)
select sum(1) over w from numbers(1) window w as (order by file('@CANARY@'))
select 1 qualify file('@CANARY@')!=''
select number from numbers(3) order by number with fill from length(file('@CANARY@'))
select number from gate.t prewhere file('@CANARY@')!=''
select interval length(file('@CANARY@')) day
select cast(file('@CANARY@') as String)
select case when file('@CANARY@')='' then 1 end
select 1 into outfile '@OUT@/out1.csv'
select 1 into outfile '@OUT@/out1.csv' truncate format CSV
select 1 INTO/**/OUTFILE '@OUT@/out1.csv' and stdout
(select 1) into outfile '@OUT@/out1.csv'
show tables into outfile '@OUT@/out1.csv'
explain select 1 into outfile '@OUT@/out1.csv'
describe table gate.t into outfile '@OUT@/out1.csv'
show create table gate.t into outfile '@OUT@/out1.csv'
exists gate.t into outfile '@OUT@/out1.csv'
check table gate.t into outfile '@OUT@/out1.csv'
show columns from gate.t into outfile '@OUT@/out1.csv'
show processlist into outfile '@OUT@/out1.csv'
insert into gate.t2 from infile '@CANARY@' format LineAsString
insert into gate.t2 from/**/infile '@CANARY@' format CSV
insert into gate.t2 select * from file('@CANARY@')
insert into gate.t2 select file('@CANARY@')
insert into function file('@OUT@/out2.csv', CSV, 'a String') select 'x'
insert into table function file('@OUT@/out2.csv', CSV, 'a String') values ('x')
insert into function file('@OUT@/out2.csv', CSV, 'a String') format CSV x
insert into function null('a Int') select 1
insert into gate.t2 values (file('@CANARY@'))
insert into gate.t2 values ('a'), (file('@CANARY@'))
insert into gate.t2 values (`file`('@CANARY@'))
insert into gate.t2 values ((select * from file('@CANARY@')))
insert into `@CANARY@` values ('x')
insert into gate.t2 select * from input('a String') format CSV x
create table gate.x (a String) engine=File(CSV, '@CANARY@')
create table gate.x (a String) engine=File(CSV)
create table gate.x (a String) engine=`File`(CSV)
create table gate.x (a String) engine=URL('http://127.0.0.1:1/', CSV)
create table gate.x (a String) engine=S3('http://127.0.0.1:1/', CSV)
create table gate.x (a String) engine=MySQL('127.0.0.1:1','a','b','c','d')
create table gate.x (a String) engine=PostgreSQL('127.0.0.1:1','a','b','c','d')
create table gate.x (a String) engine=Kafka('127.0.0.1:1','a','b','CSV')
create table gate.x (a String) engine=Executable('cat', CSV)
create table gate.x (a String) engine=ExecutablePool('cat', CSV)
create table gate.x (a String) engine=SQLite('@OUT@/x.db','t')
create table gate.x (a String) engine=EmbeddedRocksDB(0, '@OUT@/rocks') primary key a
create table gate.x (a String) engine=EmbeddedRocksDB primary key a
create table gate.x (a String) engine=FileLog('@OUT@', CSV)
create table gate.x (a String) engine=Python()
create table gate.x (a String) engine=QueryRunner('select 1')
create table gate.x (a String) engine=Merge(default, '.*')
create table gate.x (a String) engine=Distributed('default', k, t)
create table gate.x (a String) engine=Remote('127.0.0.1:1', k, t)
create table gate.x (a String) engine=Buffer(gate, t, 1, 1, 1, 1, 1, 1, 1)
create table gate.x (a String) engine=Alias(gate, t)
create table gate.x (a String) engine=Loop(gate, t)
create table gate.x (a String) engine=IcebergLocal('@OUT@')
create table gate.x (a String) engine=Dictionary(`@CANARY@`)
create table gate.x engine=File(CSV, '@CANARY@') as select 1
create table gate.x as file('@CANARY@')
create table gate.x as remote('127.0.0.1:1', system.one)
create table gate.x as url('http://127.0.0.1:1/')
create table gate.x as `@CANARY@`
create table gate.x as default.`@CANARY@`
create table gate.x clone as default.`@CANARY@`
create table gate.x engine=Memory as select * from file('@CANARY@')
create table gate.x engine=Memory as select file('@CANARY@') as a
create table gate.x (a String default file('@CANARY@')) engine=Memory
create table gate.x (a String materialized file('@CANARY@')) engine=Memory
create table gate.x (a String alias file('@CANARY@')) engine=Memory
create table gate.x (a String ephemeral file('@CANARY@')) engine=Memory
create table gate.x (a Date ttl a + interval length(file('@CANARY@')) day) engine=MergeTree order by tuple()
create table gate.x (a Date) engine=MergeTree order by tuple() ttl a + interval length(file('@CANARY@')) day
create table gate.x (a Date, s String) engine=MergeTree order by s ttl a delete where file('@CANARY@')=''
create table gate.x (a Date, s String) engine=MergeTree order by s ttl a group by s set a=file('@CANARY@')
create table gate.x (a Date) engine=MergeTree order by tuple() ttl a to disk 'x'
create table gate.x (a Date) engine=MergeTree order by tuple() ttl a to volume 'x'
create table gate.x (a String) engine=MergeTree order by file(a)
create table gate.x (a String) engine=MergeTree order by a partition by file(a)
create table gate.x (a String) engine=MergeTree order by a sample by file(a)
create table gate.x (a String, constraint c check file(a)='') engine=Memory
create table gate.x (a String, index i file(a) type minmax) engine=MergeTree order by a
create table gate.x (a String, projection p (select file(a) order by a)) engine=MergeTree order by a
create table gate.x (a String) engine=MergeTree order by a settings disk=disk(type='local', path='@OUT@/dd/')
create table gate.x (a String) engine=MergeTree order by a settings disk='x'
create table gate.x (a String) engine=MergeTree order by a settings storage_policy='x'
create table gate.x (a String) engine=MergeTree order by a settings table_disk=1, disk=disk(type=object_storage, object_storage_type=local, path='@OUT@/')
create view gate.v as select * from file('@CANARY@')
create view gate.v as select file('@CANARY@')
create view gate.v as select * from `@CANARY@`
create or replace view gate.v as select file('@CANARY@')
create view gate.v as select * from file({p:String})
create view gate.v as select file({p:String})
create materialized view gate.v to gate.t2 as select file('@CANARY@') as a from gate.t
create materialized view gate.v engine=File(CSV,'@OUT@/out3.csv') as select * from gate.t
create materialized view gate.v to `@CANARY@` as select a from gate.t
create materialized view gate.v refresh every 1 second to gate.t2 as select * from file('@CANARY@')
create function f as x -> file(x)
create or replace function f as x -> x
create named collection nc as url='http://127.0.0.1:1'
create user u
grant all on *.* to default
create role r
set role x
create quota q
create row policy p on gate.t using file('@CANARY@')=''
create masking policy p on gate.t update a=file('@CANARY@') to default
create workload w
create resource r (read disk d)
create database fs engine=Filesystem('/')
create database fs engine=Filesystem
create database fs engine=`Filesystem`('/tmp')
create database fs engine=S3('http://127.0.0.1:1/')
create database fs engine=URL('http://127.0.0.1:1/')
create database fs engine=SQLite('@OUT@/x.db')
create database fs engine=MySQL('127.0.0.1:1','a','b','c')
create database fs engine=PostgreSQL('127.0.0.1:1','a','b','c')
create database fs engine=Backup('gate', File('@OUT@/b'))
create database fs engine=Overlay('gate')
create database fs engine=Remote('127.0.0.1:1','gate')
create database fs engine=DataLakeCatalog('x')
create database fs engine=Dictionary
create database fs engine=Ordinary
create database fs engine=Replicated('/x','a','b')
create database fs engine=Atomic settings disk=disk(type='local',path='@OUT@/')
create dictionary gate.d (a String) primary key a source(file(path '@CANARY@' format 'CSV')) layout(flat()) lifetime(1)
create dictionary gate.d (a String) primary key a source(executable(command 'cat @CANARY@' format 'CSV')) layout(flat()) lifetime(1)
create dictionary gate.d (a String) primary key a source(executable_pool(command 'cat' format 'CSV')) layout(flat()) lifetime(1)
create dictionary gate.d (a String) primary key a source(http(url 'http://127.0.0.1:1' format 'CSV')) layout(flat()) lifetime(1)
create dictionary gate.d (a String) primary key a source(mysql(host '127.0.0.1' port 1 table 'x')) layout(flat()) lifetime(1)
create dictionary gate.d (a String) primary key a source(library(path '@CANARY@')) layout(flat()) lifetime(1)
create dictionary gate.d (a String) primary key a source(yamlregexptree(path '@CANARY@')) layout(flat()) lifetime(1)
create dictionary gate.d (a String) primary key a source(clickhouse(host '10.0.0.1' port 9000 table 't' db 'gate')) layout(flat()) lifetime(1)
create dictionary gate.d (a String) primary key a source(clickhouse(host 'localhost' port 9001 table 't' db 'gate')) layout(flat()) lifetime(1)
create dictionary gate.d (a String) primary key a source(clickhouse(name 'nc')) layout(flat()) lifetime(1)
create dictionary gate.d (a String) primary key a source(clickhouse(query 'select file(''@CANARY@'')')) layout(flat()) lifetime(1)
create dictionary gate.d (a String) primary key a source(clickhouse(query 'select * from `@CANARY@`')) layout(flat()) lifetime(1)
create dictionary gate.d (a String) primary key a source(clickhouse(table '@CANARY@' db 'default')) layout(flat()) lifetime(1)
create dictionary gate.d (a String) primary key a source(clickhouse(table 't' db 'gate' where 'file(''@CANARY@'')')) layout(flat()) lifetime(1)
create dictionary gate.d (a String) primary key a source(clickhouse(table 't' db 'gate' invalidate_query 'select file(''@CANARY@'')')) layout(flat()) lifetime(1)
create dictionary gate.d (a String) primary key a source(clickhouse(table 't' db 'gate')) layout(ssd_cache(path '@OUT@/ssd')) lifetime(1)
create dictionary gate.d (a String) primary key a source(clickhouse(table 't' db 'gate')) layout(complex_key_ssd_cache(path '@OUT@/ssd')) lifetime(1)
create dictionary gate.d (a String expression file('@CANARY@')) primary key a source(clickhouse(table 't' db 'gate')) layout(flat()) lifetime(1)
create dictionary gate.d (a String) primary key a source(clickhouse(table 't' db 'gate')) layout(flat()) lifetime(1) settings(format_schema='/x')
create dictionary gate.d (a String) primary key a source(null()) layout(direct()) settings(input_format_record_errors_file_path='@OUT@/x')
alter table gate.t add column z String default file('@CANARY@')
alter table gate.t modify column a String default file('@CANARY@')
alter table gate.t update a = file('@CANARY@') where 1
alter table gate.t delete where file('@CANARY@') != ''
alter table gate.t modify ttl toDate(n) + interval length(file('@CANARY@')) day
alter table gate.t modify setting disk='x'
alter table gate.t modify setting storage_policy='x'
alter table gate.t modify setting disk=disk(type='local',path='@OUT@/dd')
alter table gate.t move partition tuple() to disk 'x'
alter table gate.t move partition tuple() to volume 'x'
alter table gate.t freeze
alter table gate.t freeze partition tuple() with name 'x'
alter table gate.t unfreeze with name 'x'
alter table gate.t fetch partition tuple() from '/x'
alter table gate.t replace partition tuple() from `@CANARY@`
alter table gate.t add constraint c check file(a)=''
alter table gate.t add index i file(a) type minmax
alter table gate.t add projection p (select file(a) order by n)
alter table gate.t modify order by (n, file(a))
alter database gate modify setting x=1
delete from gate.t where file('@CANARY@')!=''
update gate.t set a=file('@CANARY@') where 1
create index i on gate.t (file(a)) type minmax
optimize table `@CANARY@` final
drop table default.`@CANARY@`
truncate table default.`@CANARY@`
rename table default.`@CANARY@` to gate.z
rename table gate.t to default.`@OUT@/zz.csv`
detach table default.`@CANARY@`
attach table gate.y from '@OUT@/' (a Int) engine=MergeTree order by a
attach table gate.y (a String) engine=File(CSV,'@CANARY@')
attach table gate.y uuid '61f0c404-5cb3-11e7-907b-a6006ad3dba0' (a String) engine=File(CSV,'@CANARY@')
attach database fs engine=Filesystem('/')
undrop table gate.t
backup table gate.t to File('@OUT@/b')
backup table gate.t to Disk('default','b')
backup table gate.t to S3('http://127.0.0.1:1/','a','b')
backup database gate to Memory('b')
restore table gate.t from File('@OUT@/b')
restore all from Disk('default','b')
system shutdown
system kill
system reload config
system reload function f
system reload functions
system reload users
system enable failpoint x
system unfreeze with name 'x'
system flush distributed gate.t
system drop replica 'x'
system load primary key gate.t
system start listen http
system stop listen http
set input_format_record_errors_file_path='@OUT@/x'
set errors_output_format='CSV'
set format_schema='/x'
set format_schema_source='file'
set format_template_row='/x'
set format_template_resultset='@CANARY@'
set format_avro_schema_registry_url='http://127.0.0.1:1'
set user_files_path='/'
set dialect='prql'
set dialect='kusto'
set dialect='clickhouse_json'
set readonly=0
set implicit_select=1
set additional_result_filter='file(a)'
set additional_table_filters={'gate.t':'file(a)'}
set param_t='@CANARY@'
set url_base='http://127.0.0.1:1'
set cluster_for_parallel_replicas='x'
set filesystem_cache_name='x'
set rename_files_after_processing='x'
set max_threads=1, format_schema='x'
set format_schema=default
select 1 settings input_format_record_errors_file_path='@OUT@/x'
select * from (select 1 settings format_schema='x')
select 1 settings dialect='prql'
select 1 settings additional_result_filter='file(a)'
select 1 format Template
select 1 format Template settings format_template_row='@CANARY@'
select 1 format Protobuf settings format_schema='/x:y'
select 1 format CapnProto
insert into gate.t2 settings input_format_record_errors_file_path='@OUT@/x' format CSV x
insert into gate.t2 format Template x
insert into gate.t2 format CapnProto x
insert into gate.t2 (a) select a from `@CANARY@`
execute as default select 1
begin transaction
commit
use `/etc`
use `../x`
create database `../..@OUT@/db`
create table `../../x` (a Int) engine=Memory
kill query where file('@CANARY@')!=''
kill mutation where file('@CANARY@')!=''
select * from {t:Identifier}
select * from default.{t:Identifier}
select * from {d:Identifier}.{t:Identifier}
create table gate.x engine=Memory as select 1 parallel with create table gate.z engine=Memory as select 1
select * from gate.nosuch(a=file('@CANARY@'))
select * from nosuch('@CANARY@')
select runSql('select 1')
select 1 union all select file('@CANARY@')
select 1 intersect select file('@CANARY@')
select 1 except select * from `@CANARY@`
from file('@CANARY@') select *
show tables from `@CANARY@` where file('@CANARY@')!=''
show index from gate.t where file('@CANARY@')!=''
show columns from gate.t where file('@CANARY@')!=''
insert into gate.t2 settings input_format_values_interpret_expressions=1 values (file('@CANARY@'))
insert into gate.t2 values (/* ' */ file('@CANARY@'))
insert into gate.t2 values ($$ ' $$), (file('@CANARY@'))
insert into gate.t2 values ('a\\'), (file('@CANARY@'))
insert into gate.t2 values ('a'''), (concat(file('@CANARY@'), 'b'))
insert into gate.t2 values (upper(`file`('@CANARY@')))
insert into gate.t2 format Values (file('@CANARY@'))
insert into gate.t2 format VALUES (file('@CANARY@'))
insert into gate.t2 select * from {t:Identifier}
create view gate.v as select * from {ok:Identifier}
check table gate.t settings format_schema='x'
drop table gate.t settings format_schema='x'
optimize table gate.t final settings input_format_record_errors_file_path='x'
show tables settings format_schema='x'
explain select 1 settings format_schema='x'
create table gate.x (a String settings (storage_policy='x')) engine=MergeTree order by a
select * from `a*`
select * from `?anary.csv`
select * from `{a,b}`
select * from default.`..`
select * from gate.t where a in (select * from file('@CANARY@'))
select * from gate.t where a in file('@CANARY@')
select a in `@CANARY@` from gate.t
select * from gate.t any left join file('@CANARY@') as f using (a)
select count() from (select 1 union all select * from `@CANARY@`)
with (select * from `@CANARY@`) as x select x
with recursive x as (select * from `@CANARY@` union all select * from x) select * from x
create dictionary gate.d (a String) primary key a source(clickhouse(db 'gate' table 't' secure 1)) layout(flat()) lifetime(1)
create dictionary gate.d (a String) primary key a source(redis(host '127.0.0.1' port 1)) layout(flat()) lifetime(1)
create dictionary gate.d (a String) primary key a source(odbc(connection_string 'x' table 't')) layout(flat()) lifetime(1)
create table gate.x (a UInt64 default dictGet('d', 'a', length(file('@CANARY@')))) engine=Memory
create table gate.x (a String) engine=MergeTree order by a ttl toDate(a) to disk 'x'
alter table gate.t modify ttl toDate(n) to volume 'x'
create table gate.x (a String) engine=MergeTree primary key file(a) order by a
explain syntax select * from `@CANARY@`
explain query tree select file('@CANARY@')
explain estimate select * from file('@CANARY@')
show create table default.`@CANARY@`
select * from system.one into outfile '@OUT@/out1.csv' append
select * from numbers(1) format Template
insert into gate.t2 format Protobuf x
system reload asynchronous metrics
select currentRequestURL()
select serverUUID()
select regionToName(1)
select `aiGenerate`('x')
select arrayMap(x -> aiEmbed(x), ['a'])
select lemmatize('en','x')
create function f as (x) -> x + 1
drop function f
""".strip().split("\n")

# The engine cannot even parse these as one statement.
NO_STATEMENTS = r"""
select fi\x6ce('@CANARY@')
select * from default.'@CANARY@'
select * from `tmp`.`ep`.`canary.csv`
select number from numbers(1) sample length(file('@CANARY@'))
insert into gate.t2 values (1); select * from file('@CANARY@')
select 1; select file('@CANARY@')
select 1; select * from `@CANARY@`
select 1 ; drop table gate.t
create window view gate.v as select 1
create live view gate.v as select 1
create function f language wasm from 'm' abi x
create dictionary gate.d (a String) primary key a source(clickhouse(nc)) layout(flat()) lifetime(1)
create dictionary gate.d (a String) primary key a source(clickhouse(query 'drop table gate.t')) layout(flat()) lifetime(1)
create dictionary gate.d (a String default file('@CANARY@')) primary key a source(clickhouse(table 't' db 'gate')) layout(flat()) lifetime(1)
alter table gate.t export partition tuple() to table function file('@OUT@/out4')
system instrument add x LOG ENTRY 'x'
copy gate.t to '@OUT@/o'
prepare x as select 1
{"type":"SelectQuery"}
show databases where file('@CANARY@')!=''
create table gate.x (a String) engine=MergeTree order by a settings (disk='x')
select * from gate.t final as x, `@CANARY@` as y
""".strip().split("\n")

# In this order each one runs on an empty engine: what migrations, roll-ups, clients and Grafana send.
ALLOWED = r"""
create database if not exists app
create database if not exists app2 engine=Atomic
create table app.e (eventId UUID, eventType LowCardinality(String), artifactId String, organizationId LowCardinality(String), durationMs Nullable(UInt32), metadata Tuple(claimCount Nullable(UInt32)), timestamp Int64 CODEC(Delta, ZSTD(3)), ts DateTime64(3,'UTC') MATERIALIZED fromUnixTimestamp64Milli(timestamp,'UTC'), stored_at DateTime64(3,'UTC') DEFAULT now64(3), log_order UInt64, INDEX art artifactId TYPE bloom_filter(0.01) GRANULARITY 1, CONSTRAINT c CHECK timestamp > 0) ENGINE = ReplacingMergeTree(log_order) PARTITION BY toStartOfHour(ts) ORDER BY (organizationId, eventType, ts, eventId) TTL toDateTime(greatest(toStartOfDay(ts) + INTERVAL 1 DAY, stored_at)) + INTERVAL 168 HOUR DELETE SETTINGS ttl_only_drop_parts=1, merge_with_ttl_timeout=600, non_replicated_deduplication_window=10000, deduplicate_merge_projection_mode='drop'
create table app.ha (hour DateTime('UTC'), last SimpleAggregateFunction(max, DateTime64(3,'UTC'))) ENGINE = AggregatingMergeTree ORDER BY hour TTL hour + INTERVAL 14 DAY SETTINGS non_replicated_deduplication_window=10000
create materialized view app.mv to app.ha as select toStartOfHour(ts) as hour, max(stored_at) as last from app.e group by hour
create table app.st (artifactId String, m SimpleAggregateFunction(maxMap, Map(String, UInt64)), e AggregateFunction(quantileExact(0.95), UInt32), u AggregateFunction(uniq, UUID)) engine=AggregatingMergeTree order by artifactId
insert into app.st select artifactId, map(eventType, toUInt64(timestamp)), quantileExactState(0.95)(assumeNotNull(durationMs)), uniqState(eventId) from app.e group by artifactId, eventType, timestamp
select quantileExactMerge(0.95)(e), uniqMerge(u), quantileExactMergeState(0.95)(e) from app.st
select organizationId, count(), grouping(organizationId), countIf(eventType='x'), sumIf(durationMs, 1), avgOrNull(durationMs), quantileExactIf(0.95)(durationMs, eventType='y') from app.e final group by grouping sets ((organizationId),()) having count()>=0 order by organizationId limit 10
create view app.live as select *, ts from app.e final where ts > now64(3) - interval 48 hour
create view app.pv as select * from app.e where timestamp > {from_ms:Int64} and organizationId={org:String}
select * from app.pv(from_ms=1, org='x') order by timestamp desc limit 1 by eventId limit 5
create or replace view app.live as select 1 as a
alter table app.e modify ttl toDateTime(ts) + interval 100 hour
alter table app.e modify setting merge_with_ttl_timeout=700
alter table app.e add column if not exists x String default upper(artifactId) after artifactId, drop column if exists y
alter table app.e modify column x LowCardinality(String)
alter table app.e comment column x 'a/b c'
alter table app.e drop column x
alter table app.e add index i2 timestamp type minmax granularity 4
alter table app.e materialize index i2
alter table app.e drop index i2
alter table app.e delete where timestamp < 0
delete from app.e where timestamp < 0
create table app.e2 as app.e
exchange tables app.e and app.e2
rename table app.e2 to app.e3
optimize table app.e final
truncate table app.e
check table app.e
drop table if exists app.e3 sync
create table app.org (id String, name String, v UInt64) engine=ReplacingMergeTree(v) order by id
create dictionary app.d (id String, name String) primary key id source(clickhouse(query 'select id, name from app.org final')) layout(complex_key_hashed()) lifetime(min 60 max 120)
create dictionary if not exists app.d2 (id String, name String) primary key id source(clickhouse(table 'org' db 'app')) layout(complex_key_hashed()) lifetime(60)
system reload dictionary app.d
system reload dictionaries
system flush logs
system stop merges app.e
system start merges app.e
system stop ttl merges
system start ttl merges
select dictGetOrDefault('app.d','name','a','b'), dictHas('app.d', 'a')
explain select 1
explain indexes=1 select * from app.e where artifactId='x'
explain pipeline select 1
explain ast select 1
explain syntax select 1
explain estimate select * from app.e
select name, value from system.settings limit 2
select * from system.parts limit 1
select query, memory_usage from system.query_log limit 1
select * from system.tables where database='app' limit 1
select * from system.mutations
select * from information_schema.tables limit 1
select version(), timezone(), uptime() >= 0, hostName(), currentDatabase(), currentUser(), serverTimezone()
show databases
show tables from app
show tables from app like '%e%'
show create table app.e
show create view app.live
show columns from app.e
show index from app.e
show functions
show processlist
show settings like 'max_threads'
exists table app.e
exists app.e
describe table app.e
desc app.live
desc (select 1 as a)
describe table app.e format JSON
use app
set max_threads=1, date_time_input_format='best_effort'
select 1 format JSONCompact
select 1 settings max_threads=1, max_execution_time=5 format Null
select 1;
select /* c */ 1 -- x; y
with t as (select number from numbers(3)) select sum(number) from t
with recursive t as (select 1 as n union all select n+1 from t where n<5) select * from t
select * from numbers(3) union all select * from zeros(1) limit 1
select 1 intersect select 1 except select 2
select $$a;b$$, 'a;b', `number` from numbers(1)
select arrayMap(x->x+1,[1]), arrayJoin([1,2]), [1,2][1], (1,2).1, cast(1 as Int8), 1::Int8, case when 1 then 2 end, case 1 when 1 then 3 else 4 end, 1 between 0 and 2, null is null, exists(select 1), interval 1 day, extract(year from now()), if(1,2,3), 1 ? 2 : 3, -1, not 1, 'a' like 'b', 'a' || 'b'
select sum(number) over (partition by number%2 order by number rows between 1 preceding and current row) as w, row_number() over (order by number), lagInFrame(number) over (order by number), rank() over w2 from numbers(3) window w2 as (order by number)
select * except(number) from (select number, 1 as x from numbers(1))
select * replace(number+1 as number) from numbers(1)
select * apply(sum) from numbers(1)
select columns('num') from numbers(1)
select count(distinct number), COUNT(*), Sum(number), uniqExact(number), topK(3)(number), groupArray(number), argMax(number,number), any(number), groupUniqArrayIf(number, 1), sumMap([1],[2]), quantiles(0.5,0.9)(number) from numbers(3)
select toStartOfInterval(now(), interval 5 minute), toUnixTimestamp64Milli(now64(3)), toStartOfHour(now()), toDate(now()), formatDateTime(now(), '%Y'), dateDiff('hour', now(), now()), parseDateTimeBestEffort('2020-01-01 00:00:00'), toDateTime64('2020-01-01 00:00:00',3,'UTC')
select number from numbers(10) order by number with fill step 2 limit 3
select a, b from (select 1 as a) as x inner join (select 1 as a, 2 as b) as y using (a)
select a from (select 1 as a) as x left join (select 1 as c) as y on x.a=y.c
select number from numbers(5) where number in (select 1) and number global in (1,2)
select number in (1,2), (number, 1) in ((1,1)) from numbers(1)
select number from numbers(3) array join [1,2] as z
select JSONExtractString('{"a":"b"}','a'), cityHash64('a'), hex('a'), generateUUIDv4(), toUUID('61f0c404-5cb3-11e7-907b-a6006ad3dba0'), bitmapCardinality(bitmapBuild([1]))
insert into app.org values ('a','b',1),('c','d',2)
insert into app.org (id, name) values ('x', 'it''s; ok')
insert into app.org (id, v) values ('z', toUInt64(now()))
insert into app.org format JSONEachRow {"id":"q","name":"w"}
insert into app.org settings async_insert=0 format CSV "q","r",3
insert into app.org (* except(v)) select 'a','b'
insert into app.org with x as (select 'a' as i, 'b' as n, 1 as v) select * from x
select * from (explain select 1)
select * from view(select 1)
select * from values('a Int', 1, 2)
create table app.m (a Int) engine=Memory
create table app.n engine=Null as app.m
create table app.c1 clone as app.e
create or replace table app.m (a Int) engine=Memory
drop view app.live
drop dictionary app.d2
kill mutation where database='zz'
detach table app.m
attach table app.m
create materialized view app.rf refresh every 1 day append to app.m empty as select 1 as a
system stop view app.rf
drop view app.rf
create table app.pr (a Int, b Int, projection p (select b, sum(a) group by b)) engine=MergeTree order by a
create index ii on app.pr (a) type minmax
drop table app.pr, app.n
SELECT 1 AS "a b", 2 AS `x-y` ORDER BY "a b"
select 1 as "req/s"
select name from system.columns where table='e' and database = currentDatabase()
select transform(1,[1],['a'],'b'), multiIf(1,2,3), coalesce(null,1), ifNull(1,2), round(1.5), least(1,2), greatest(1,2), toString(1), concat('a','b'), lower('A'), substring('abc',1,2), position('a','b'), replaceAll('a','b','c'), length('a'), empty(''), arrayElement([1],1), mapKeys(map(1,2)), tupleElement((1,2),1), toIntervalHour(1), bitAnd(1,1), match('a','b'), splitByChar(',','a'), has([1],1), arraySort([1]), arrayZip([1],[2]), mapFromArrays([1],[2]), finalizeAggregation(initializeAggregation('sumState',1))
create table app.z (a DateTime64(3, 'America/New_York') default toDateTime64('2020-01-01 00:00:00', 3, 'Europe/Berlin') comment 'a/b', e Enum8('platform/x'=0,'org'=1), j JSON, m Map(String, UInt64), n Nested(a Int, b String), f FixedString(3), d Decimal(10,2), l Array(LowCardinality(Nullable(String)))) engine=MergeTree order by a comment 'c/d * ?'
select columns('^a.*$') from app.z
select toDateTime('2020-01-01 00:00:00','Europe/Berlin') at time zone 'UTC'
select * from app.z where a >= '2020-01-01' and e = 'org' order by all limit 1 with ties
select number % 2 as k, count() as c from numbers(10) group by k with totals order by k
select number, count() from numbers(3) group by number with rollup
select number, count() from numbers(3) group by cube(number)
select count() from numbers(3) group by all
alter table app.z modify comment 'x/y'
show tables from app like '%/x%'
select 1 as `a/b`
SELECT toStartOfInterval(toDateTime(number), INTERVAL 60 second) as time, count() as value FROM numbers(10) WHERE number >= toUnixTimestamp(now()) - 100 GROUP BY time ORDER BY time ASC
SELECT DISTINCT database FROM system.tables
SELECT name FROM system.databases
select Settings['x'], ProfileEvents from system.query_log limit 1
select quantileExactMerge(0.95)(x) from (select quantileExactState(0.95)(toUInt32(number)) as x from numbers(10))
select sumMapMerge(s) from (select sumMapState([1],[toUInt64(number)]) s from numbers(3))
select argMaxIfOrNull(number, number, number > 1) from numbers(3)
select arrayReduce('sum',[1,2]), arrayFold((acc,x)->acc+x,[1],toInt64(0))
select any_value(number), first_value(number), groupArraySample(2)(number), deltaSum(number), quantileTDigest(0.5)(number), quantileDD(0.01, 0.5)(number), histogram(2)(number) from numbers(4)
select now() - interval 1 hour, today() - 1, yesterday(), toMonday(now()), date_trunc('hour', now()), age('hour', now(), now()), toTimeZone(now(),'UTC')
select substring('x' from 1), position('a' in 'abc'), trim(both ' ' from ' a '), extract(hour from now()), date '2020-01-01', timestamp '2020-01-01 00:00:00'
select * from (select 1 as a union distinct select 2) order by a
select number from numbers(10) limit 2 offset 3
select * from numbers(3) where number = any(select 1)
select leadInFrame(number) over (order by number rows between unbounded preceding and unbounded following) from numbers(3)
select count() over w from numbers(3) window w as (partition by number % 2)
insert into app.z (a, e) values ('2020-01-01 00:00:00', 'org')
insert into app.z (a) select now64(3)
insert into app.z (a) values (now64(3)), (toDateTime64('2020-01-01 00:00:00',3))
delete from app.z where a < now() - interval 1 day
alter table app.z drop partition tuple()
alter table app.z add projection p (select e, count() group by e)
alter table app.z materialize projection p
alter table app.z drop projection p
alter table app.z modify column f FixedString(3) codec(ZSTD(1))
alter table app.z reset setting merge_with_ttl_timeout
explain plan select 1
explain query tree select 1
explain json=1, indexes=1 select * from app.z where a > now() format TSVRaw
select 1 settings max_execution_time=10, use_query_cache=0
select getSetting('max_threads')
create table app.ev (x Int64, ts DateTime64(3,'UTC') materialized fromUnixTimestamp64Milli(x,'UTC')) engine=ReplacingMergeTree order by x partition by toYYYYMM(ts) ttl toDateTime(ts) + toIntervalHour(48) delete
create materialized view app.mv2 engine=AggregatingMergeTree order by x as select x, countState() as c from app.ev group by x
select * from app.ev as a asof join app.ev as b on a.x=b.x and a.x>=b.x
create view app.w as select * from app.ev where x = {x:Int64} and ts between {a:DateTime64(3)} and {b:DateTime64(3)}
select count() from app.w(x=1, a='2020-01-01', b='2021-01-01')
show create view app.w
describe (select * from app.w(x=1, a='2020-01-01', b='2021-01-01'))
drop table app.ev, app.z
select * from system.dictionaries
select 'file(/etc/passwd)', 'into outfile ''x'' ', 'settings a=1'
select count() from system.view_refreshes
show create view app.w
select * from app.org where name like '%infile%' or name = 'into outfile ''x'' settings a=1'
drop database app sync
drop database app2
""".strip().split("\n")
