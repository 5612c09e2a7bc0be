/**
 * The types whose OIDs are fixed for all versions (pg_type.dat of the PostgreSQL sources): names, array types, sizes. One
 * line of text, because it is read once and compresses well.
 */

/** A row of pg_type. */
export interface TypeRow {
  readonly oid: number;
  /** typname; of an array type its element's, behind an underscore. */
  readonly name: string;
  /** typlen: bytes, -1 where it varies, -2 for a C string. */
  readonly size: number;
  /** typelem of an array type, else 0. */
  readonly element: number;
}

// name, OID, OID of the array type, and typlen where it is not -1.
const table = `
bool 16 1000 1,bytea 17 1001,char 18 1002 1,name 19 1003 64,int8 20 1016 8,int2 21 1005 2,
int2vector 22 1006,int4 23 1007 4,regproc 24 1008 4,text 25 1009,oid 26 1028 4,tid 27 1010 6,
xid 28 1011 4,cid 29 1012 4,oidvector 30 1013,pg_ddl_command 32 0 4,pg_type 71 210,pg_attribute 75 270,
pg_proc 81 272,pg_class 83 273,json 114 199,xml 142 143,pg_node_tree 194 0,table_am_handler 269 0 4,
index_am_handler 325 0 4,point 600 1017 16,lseg 601 1018 32,path 602 1019,box 603 1020 32,
polygon 604 1027,line 628 629 24,cidr 650 651,float4 700 1021 4,float8 701 1022 8,unknown 705 0 -2,
circle 718 719 24,macaddr8 774 775 8,money 790 791 8,macaddr 829 1040 6,inet 869 1041,
aclitem 1033 1034 16,bpchar 1042 1014,varchar 1043 1015,date 1082 1182 4,time 1083 1183 8,
timestamp 1114 1115 8,timestamptz 1184 1185 8,interval 1186 1187 16,pg_database 1248 10052,
timetz 1266 1270 12,bit 1560 1561,varbit 1562 1563,numeric 1700 1231,refcursor 1790 2201,
regprocedure 2202 2207 4,regoper 2203 2208 4,regoperator 2204 2209 4,regclass 2205 2210 4,
regtype 2206 2211 4,record 2249 2287,cstring 2275 1263 -2,any 2276 0 4,anyarray 2277 0,void 2278 0 4,
trigger 2279 0 4,language_handler 2280 0 4,internal 2281 0 4,anyelement 2283 0 4,anynonarray 2776 0 4,
pg_authid 2842 10057,pg_auth_members 2843 10058,uuid 2950 2951 16,txid_snapshot 2970 2949,
fdw_handler 3115 0 4,pg_lsn 3220 3221 8,tsm_handler 3310 0 4,pg_ndistinct 3361 0,pg_dependencies 3402 0,
anyenum 3500 0 4,tsvector 3614 3643,tsquery 3615 3645,gtsvector 3642 3644,regconfig 3734 3735 4,
regdictionary 3769 3770 4,jsonb 3802 3807,anyrange 3831 0,event_trigger 3838 0 4,int4range 3904 3905,
numrange 3906 3907,tsrange 3908 3909,tstzrange 3910 3911,daterange 3912 3913,int8range 3926 3927,
pg_shseclabel 4066 10093,jsonpath 4072 4073,regnamespace 4089 4090 4,regrole 4096 4097 4,
regcollation 4191 4192 4,int4multirange 4451 6150,nummultirange 4532 6151,tsmultirange 4533 6152,
tstzmultirange 4534 6153,datemultirange 4535 6155,int8multirange 4536 6157,anymultirange 4537 0,
anycompatiblemultirange 4538 0,pg_brin_bloom_summary 4600 0,pg_brin_minmax_multi_summary 4601 0,
pg_mcv_list 5017 0,pg_snapshot 5038 5039,xid8 5069 271 8,anycompatible 5077 0 4,
anycompatiblearray 5078 0,anycompatiblenonarray 5079 0 4,anycompatiblerange 5080 0,
pg_subscription 6101 10112`;

let rows: Map<number, TypeRow> | undefined;

/** The row of a type with a fixed OID; undefined for all others. */
export function typeRow(typeOid: number): TypeRow | undefined {
  rows ??= readTable();
  return rows.get(typeOid);
}

function readTable(): Map<number, TypeRow> {
  const known = new Map<number, TypeRow>();
  for (const entry of table.replaceAll("\n", "").split(",")) {
    const [name = "", typeOid, array, size = "-1"] = entry.split(" ");
    known.set(Number(typeOid), { oid: Number(typeOid), name, size: Number(size), element: 0 });
    if (array !== "0") {
      known.set(Number(array), { oid: Number(array), name: `_${name}`, size: -1, element: Number(typeOid) });
    }
  }
  return known;
}

/** `23 (int4)`, for messages about types that are not the ones expected. */
export function typeText(typeOid: number): string {
  return `${typeOid} (${typeRow(typeOid)?.name ?? "???"})`;
}

/** typlen of a type; -1 where it is not known. */
export function typeSize(typeOid: number): number {
  return typeRow(typeOid)?.size ?? -1;
}
