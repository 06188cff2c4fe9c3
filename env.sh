killmine () 
{ 
    for p in $(grep -l "ORCH_RUN=/tmp/h/attacker/t/" /proc/[0-9]*/environ 2> /dev/null | cut -d/ -f3);
    do
        kill -9 $p 2> /dev/null;
    done;
    for p in $(pgrep -f "^/tmp/bin/orch-mcp keep /tmp/h/attacker/t/");
    do
        kill -9 $p;
    done
}
